package io.stagelet.journal;

import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * Asks journald whether it is there. Entries go to it as datagrams, which nobody answers: of a
 * journald that hangs a sender hears nothing until the queue is full. Its Varlink socket answers.
 */
public final class JournalProbe {
  /** Where journald answers, since systemd 246. */
  public static final Path SOCKET = Path.of("/run/systemd/journal/io.systemd.journal");

  /** A method of every Varlink service; one that journald does not know is an answer, too. */
  private static final byte[] QUESTION =
      "{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{}}\0"
          .getBytes(StandardCharsets.UTF_8);

  private static final int BUFFER = 4096;

  private final Path socket;
  private final Duration patience;

  /** Asks there, and waits so long for an answer. */
  public JournalProbe(Path socket, Duration patience) {
    this.socket = socket;
    this.patience = patience;
  }

  /** What is wrong with journald; empty when it answers. */
  public Optional<String> problem() {
    try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        Selector selector = Selector.open()) {
      boolean _ = channel.connect(UnixDomainSocketAddress.of(socket));
      channel.configureBlocking(false);
      var _ = channel.write(ByteBuffer.wrap(QUESTION));
      var _ = channel.register(selector, SelectionKey.OP_READ);
      if (selector.select(patience.toMillis()) == 0) {
        return Optional.of("journald has not answered for %d s".formatted(patience.toSeconds()));
      }
      return channel.read(ByteBuffer.allocate(BUFFER)) > 0
          ? Optional.empty()
          : Optional.of("journald hung up");
    } catch (IOException failure) {
      return Optional.of(
          "journald cannot be asked on %s: %s"
              .formatted(socket, StageletException.reason(failure)));
    }
  }
}
