package io.stagelet.cri.stats;

import io.stagelet.linux.Namespaces;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The counters of a network interface. */
public record NetworkInterface(String name, Direction received, Direction sent) {
  /** Counters of one direction. */
  public record Direction(long bytes, long packets, long errors, long dropped) {}

  private static final String LOOPBACK = "lo";

  /** Of this thread's own namespace: {@code /proc/net} would be that of the process. */
  private static final Path FILE = Path.of("/proc/thread-self/net/dev");

  private static final int RECEIVED = 0;
  private static final int SENT = 8;
  private static final int COLUMNS = 16;

  /**
   * The interfaces of each of the network namespaces that are pinned at {@code pins}, without the
   * loopback. A namespace that is gone is left out.
   *
   * @param files lent to the thread that enters them, while the caller waits for it
   */
  public static Map<Path, List<NetworkInterface>> inside(List<Path> pins, KernelFiles files) {
    return pins.isEmpty()
        ? Map.of()
        : Namespaces.insideEach(Namespaces.Kind.NETWORK, pins, () -> parse(files.text(FILE)));
  }

  /** Reads {@code /proc/net/dev}, without the loopback. */
  static List<NetworkInterface> parse(String text) {
    List<NetworkInterface> interfaces = new ArrayList<>();
    for (String line : text.lines().toList()) {
      int colon = line.lastIndexOf(':');
      if (colon < 0) {
        continue;
      }
      String name = line.substring(0, colon).strip();
      String[] columns = line.substring(colon + 1).strip().split("\\s+");
      if (columns.length >= COLUMNS && !name.equals(LOOPBACK)) {
        interfaces.add(
            new NetworkInterface(name, direction(columns, RECEIVED), direction(columns, SENT)));
      }
    }
    return interfaces;
  }

  private static Direction direction(String[] columns, int first) {
    return new Direction(
        number(columns[first]),
        number(columns[first + 1]),
        number(columns[first + 2]),
        number(columns[first + 3]));
  }

  private static long number(String text) {
    return Keyed.number(text).orElse(0);
  }
}
