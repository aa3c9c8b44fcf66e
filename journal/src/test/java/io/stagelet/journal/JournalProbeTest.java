package io.stagelet.journal;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JournalProbeTest {
  @TempDir private Path folder;

  private ServerSocketChannel listen(Path socket) throws IOException {
    ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
    return server.bind(UnixDomainSocketAddress.of(socket));
  }

  @Test
  void whoAnswersIsWell() throws IOException {
    Path socket = folder.resolve("varlink");
    try (ServerSocketChannel server = listen(socket)) {
      Thread.startVirtualThread(() -> answer(server));

      assertThat(new JournalProbe(socket, Duration.ofSeconds(20)).problem()).isEmpty();
    }
  }

  private static void answer(ServerSocketChannel server) {
    try (SocketChannel channel = server.accept()) {
      var _ = channel.read(ByteBuffer.allocate(100));
      var _ =
          channel.write(ByteBuffer.wrap("{\"parameters\":{}}\0".getBytes(StandardCharsets.UTF_8)));
    } catch (IOException failure) {
      throw new java.io.UncheckedIOException(failure);
    }
  }

  @Test
  void whoHangsIsNot() throws IOException {
    Path socket = folder.resolve("varlink");
    try (ServerSocketChannel _ = listen(socket)) {
      assertThat(new JournalProbe(socket, Duration.ofMillis(50)).problem())
          .hasValueSatisfying(words -> assertThat(words).contains("has not answered"));
    }
  }

  @Test
  void whoIsNotThereIsNot() {
    assertThat(new JournalProbe(folder.resolve("none"), Duration.ofMillis(50)).problem())
        .hasValueSatisfying(words -> assertThat(words).contains("cannot be asked"));
  }
}
