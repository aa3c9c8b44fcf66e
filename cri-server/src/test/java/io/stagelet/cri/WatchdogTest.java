package io.stagelet.cri;

import static org.mockito.Mockito.after;
import static org.mockito.Mockito.mock;
import static org.mockito.Mockito.timeout;
import static org.mockito.Mockito.verify;

import io.stagelet.units.SdNotify;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.mockito.Answers;
import org.slf4j.Logger;
import org.slf4j.event.Level;

/** A server that takes connections, and answers none of them. */
class WatchdogTest {
  private static final SdNotify NOBODY = new SdNotify(Optional.empty());

  @TempDir private Path folder;
  private final Logger log = mock(Answers.RETURNS_DEEP_STUBS);
  private Path socket = Path.of("/");

  @BeforeEach
  void place() {
    socket = folder.resolve("socket");
  }

  private ServerSocketChannel silent() throws IOException {
    return ServerSocketChannel.open(StandardProtocolFamily.UNIX)
        .bind(UnixDomainSocketAddress.of(socket));
  }

  @Test
  void whatDoesNotAnswerIsTold() throws IOException {
    try (ServerSocketChannel _ = silent();
        Watchdog _ = new Watchdog(socket, NOBODY, Duration.ofMillis(200), log)) {
      verify(log, timeout(10_000).atLeastOnce()).atLevel(Level.WARN);
    }
  }

  @Test
  void whatIsClosedWhileItIsAskedHasNotFailed() throws IOException {
    try (ServerSocketChannel server = silent()) {
      Watchdog watchdog = new Watchdog(socket, NOBODY, Duration.ofMinutes(10), log);
      SocketChannel asked;
      try (watchdog) {
        asked = server.accept();
      }
      verify(log, after(500).never()).atLevel(Level.WARN);
      asked.close();
    }
  }
}
