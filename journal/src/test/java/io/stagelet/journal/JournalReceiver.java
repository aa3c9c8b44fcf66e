package io.stagelet.journal;

import io.stagelet.linux.DescriptorCalls;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import jnr.unixsocket.UnixDatagramChannel;
import jnr.unixsocket.UnixSocketAddress;

/** Listens where journald would, and keeps the entries that come. For one thread. */
final class JournalReceiver implements AutoCloseable, SentEntries {
  private final UnixDatagramChannel channel;
  private final DescriptorCalls descriptors = new DescriptorCalls();
  private final ByteBuffer buffer = ByteBuffer.allocateDirect(256 << 10);
  private final List<Map<String, byte[]>> entries = new ArrayList<>();

  JournalReceiver(Path path) throws IOException {
    Files.deleteIfExists(path);
    channel = UnixDatagramChannel.open();
    channel.bind(new UnixSocketAddress(path.toFile()));
    channel.configureBlocking(false);
  }

  /** Takes what waits in the socket's queue, and tells all that ever came. */
  List<Map<String, byte[]>> entries() {
    while (descriptors.read(channel.getFD(), buffer.clear()) >= 0) {
      entries.add(parse(buffer.flip()));
    }
    return entries;
  }

  List<Map<String, byte[]>> entriesOf(StreamKind kind) {
    return entries().stream().filter(entry -> text(entry, "STREAM").equals(kind.label())).toList();
  }

  /** The output that the entries of a stream hold; each entry but a partial one ends a line. */
  byte[] output(StreamKind kind) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (Map<String, byte[]> entry : entriesOf(kind)) {
      all.writeBytes(entry.getOrDefault("MESSAGE", new byte[0]));
      if (!entry.containsKey("CONTAINER_PARTIAL_MESSAGE")) {
        all.write('\n');
      }
    }
    return all.toByteArray();
  }

  @Override
  public OptionalInt lastSequence(String containerId, String stream) {
    return entries().stream()
        .filter(entry -> text(entry, "STREAM").equals(stream))
        .filter(entry -> text(entry, "CONTAINER_ID_FULL").equals(containerId))
        .mapToInt(entry -> Integer.parseInt(text(entry, "STAGELET_SEQUENCE")))
        .reduce((first, second) -> second);
  }

  static String text(Map<String, byte[]> entry, String field) {
    return new String(entry.getOrDefault(field, new byte[0]), StandardCharsets.UTF_8);
  }

  /** Reads the native protocol. */
  static Map<String, byte[]> parse(ByteBuffer datagram) {
    Map<String, byte[]> fields = new HashMap<>();
    datagram.order(ByteOrder.LITTLE_ENDIAN);
    while (datagram.hasRemaining()) {
      StringBuilder name = new StringBuilder();
      char c = (char) datagram.get();
      for (; c != '=' && c != '\n'; c = (char) datagram.get()) {
        name.append(c);
      }
      byte[] value;
      if (c == '=') {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        for (byte b = datagram.get(); b != '\n'; b = datagram.get()) {
          line.write(b);
        }
        value = line.toByteArray();
      } else {
        value = new byte[Math.toIntExact(datagram.getLong())];
        datagram.get(value);
        if (datagram.get() != '\n') {
          throw new IllegalStateException(
              "the value of " + name + " does not end with a line feed");
        }
      }
      fields.put(name.toString(), value);
    }
    return fields;
  }

  @Override
  public void close() {
    try {
      channel.close();
    } catch (IOException failure) {
      throw new UncheckedIOException(failure);
    }
  }
}
