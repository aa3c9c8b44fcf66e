package io.stagelet.stage0.command;

import io.stagelet.stage0.Digest;
import io.stagelet.stage0.PullEvent;
import io.stagelet.stage0.PullListener;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.function.LongSupplier;

/**
 * Shows how a pull gets on: on a terminal a line for each layer that is on its way, with a bar, and
 * one for the whole; elsewhere a line when a layer is done. Called from several threads.
 */
final class PullProgress implements PullListener, AutoCloseable {
  private static final int BAR = 30;
  private static final long REDRAW_NANOS = 100_000_000;
  private static final String CLEAR_LINE = "\r\u001b[K";

  private static final class Layer {
    private final long size;
    private long received;

    Layer(long size) {
      this.size = size;
    }
  }

  private final PrintWriter output;
  private final boolean terminal;
  private final LongSupplier nanos;
  private final Map<Digest, Layer> coming = new LinkedHashMap<>();
  private final long start;
  private long drawnAt;
  private int drawnLines;
  private int layers;
  private int done;
  private long bytes;
  private long finished;

  PullProgress(PrintWriter output, boolean terminal, LongSupplier nanos) {
    this.output = output;
    this.terminal = terminal;
    this.nanos = nanos;
    this.start = nanos.getAsLong();
  }

  @Override
  public synchronized void on(PullEvent event) {
    switch (event) {
      case PullEvent.Resolved(var id, int count, long size) -> {
        layers = count;
        bytes = size;
        say("%s: %d layers, %s".formatted(id, count, size(size)));
      }
      case PullEvent.LayerPresent _ -> done++;
      case PullEvent.LayerStarted(Digest layer, long size) -> coming.put(layer, new Layer(size));
      case PullEvent.LayerProgress(Digest digest, long received) -> {
        Layer layer = coming.get(digest);
        if (layer != null) {
          layer.received = received;
        }
      }
      case PullEvent.LayerUnpacked(Digest digest) -> {
        done++;
        Layer layer = coming.remove(digest);
        if (layer != null) {
          finished += layer.size;
          say("%s  %s  done".formatted(shortName(digest), size(layer.size)));
        }
      }
    }
    if (terminal && nanos.getAsLong() - drawnAt > REDRAW_NANOS) {
      draw();
    }
  }

  private void say(String line) {
    erase();
    output.println(line);
    output.flush();
  }

  private void draw() {
    erase();
    drawnAt = nanos.getAsLong();
    coming.forEach((digest, layer) -> {
      double share = layer.size == 0 ? 1 : (double) layer.received / layer.size;
      int filled = (int) Math.min(BAR, Math.round(share * BAR));
      output.println(
          "%s  [%s%s]  %s of %s"
              .formatted(
                  shortName(digest),
                  "#".repeat(filled),
                  ".".repeat(BAR - filled),
                  size(layer.received),
                  size(layer.size)));
    });
    long received = finished + coming.values().stream().mapToLong(layer -> layer.received).sum();
    double seconds = Math.max(0.001, (drawnAt - start) / 1e9);
    output.println(
        "%d of %d layers, %s of %s, %s/s"
            .formatted(
                done, layers, size(received), size(bytes), size((long) (received / seconds))));
    output.flush();
    drawnLines = coming.size() + 1;
  }

  private void erase() {
    if (terminal) {
      for (int i = 0; i < drawnLines; i++) {
        output.print("\u001b[1A" + CLEAR_LINE);
      }
      drawnLines = 0;
    }
  }

  private static String shortName(Digest digest) {
    return digest.hex().substring(0, 12);
  }

  /** {@code 12.3 MB}: a number for people. */
  static String size(long bytes) {
    String[] units = {"B", "kB", "MB", "GB", "TB"};
    double size = bytes;
    int unit = 0;
    while (size >= 1000 && unit < units.length - 1) {
      size /= 1000;
      unit++;
    }
    return unit == 0 ? bytes + " B" : String.format(Locale.ROOT, "%.1f %s", size, units[unit]);
  }

  /** Takes the moving part away. */
  @Override
  public synchronized void close() {
    erase();
    output.flush();
  }
}
