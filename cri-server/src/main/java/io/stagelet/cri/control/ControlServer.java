package io.stagelet.cri.control;

import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Serves {@link Pages}. HTTP/1.1 of the plainest kind: requests without bodies, one in each
 * connection.
 */
public final class ControlServer implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(ControlServer.class);
  private static final int LARGEST_REQUEST = 8192;
  private static final int MOST_CONNECTIONS = 32;
  private static final long LONGEST_SECONDS = 30;

  private final ServerSocketChannel listening;
  private final Optional<Path> file;
  private final Pages pages;
  private final Semaphore connections = new Semaphore(MOST_CONNECTIONS);

  private ControlServer(ServerSocketChannel listening, Optional<Path> file, Pages pages) {
    this.listening = listening;
    this.file = file;
    this.pages = pages;
    var _ = Thread.ofVirtual().name("control").start(this::accept);
  }

  /** Serves on a unix socket that is its owner's alone; one that is there is replaced. */
  public static ControlServer on(Path socket, Pages pages) {
    try {
      Files.createDirectories(socket.toAbsolutePath().getParent());
      Files.deleteIfExists(socket);
      ServerSocketChannel channel =
          bound(
              ServerSocketChannel.open(StandardProtocolFamily.UNIX),
              UnixDomainSocketAddress.of(socket));
      Files.setPosixFilePermissions(socket, PosixFilePermissions.fromString("rw-------"));
      return new ControlServer(channel, Optional.of(socket), pages);
    } catch (IOException failure) {
      throw failed(socket, failure);
    }
  }

  /** Serves on an address. */
  public static ControlServer on(InetSocketAddress address, Pages pages) {
    try {
      ServerSocketChannel channel = ServerSocketChannel.open();
      channel.setOption(StandardSocketOptions.SO_REUSEADDR, true);
      return new ControlServer(bound(channel, address), Optional.empty(), pages);
    } catch (IOException failure) {
      throw failed(address, failure);
    }
  }

  private static ServerSocketChannel bound(ServerSocketChannel channel, SocketAddress address)
      throws IOException {
    try {
      return channel.bind(address);
    } catch (IOException failure) {
      channel.close();
      throw failure;
    }
  }

  private static StageletException failed(Object where, IOException failure) {
    return new StageletException(
        ErrorCode.UNAVAILABLE,
        "could not listen on %s: %s; does another program use it?"
            .formatted(where, StageletException.reason(failure)),
        failure);
  }

  /** Where it listens. */
  public SocketAddress address() {
    try {
      return listening.getLocalAddress();
    } catch (IOException closed) {
      throw new StageletException(ErrorCode.UNAVAILABLE, "it is closed", closed);
    }
  }

  private void accept() {
    while (listening.isOpen()) {
      try {
        SocketChannel peer = listening.accept();
        if (connections.tryAcquire()) {
          var _ = Thread.ofVirtual().name("control").start(() -> serve(peer));
        } else {
          peer.close();
        }
      } catch (ClosedChannelException closed) {
        return;
      } catch (IOException failure) {
        LOG.debug("a connection was not accepted: {}", StageletException.reason(failure));
      }
    }
  }

  private void serve(SocketChannel peer) {
    // whoever connects and says nothing does not stay for ever
    CompletableFuture<Void> limit =
        CompletableFuture.runAsync(
            () -> close(peer),
            CompletableFuture.delayedExecutor(LONGEST_SECONDS, TimeUnit.SECONDS));
    try (peer) {
      String[] request = firstLine(peer).split(" ", 3);
      Pages.Answer answer =
          request.length < 3
              ? Pages.Answer.text(400, "not an HTTP request\n")
              : answer(request[0], request[1]);
      write(peer, answer);
    } catch (IOException gone) {
      LOG.debug("a connection ended: {}", StageletException.reason(gone));
    } finally {
      var _ = limit.cancel(false);
      connections.release();
    }
  }

  private Pages.Answer answer(String method, String path) {
    try {
      return pages.answer(method, path);
    } catch (RuntimeException failure) {
      StoryEvent.PAGE_FAILED
          .on(LOG)
          .setCause(failure)
          .log(
              "{} {} at the control socket failed: {}",
              method,
              path,
              StageletException.reason(failure));
      return Pages.Answer.text(500, StageletException.reason(failure) + "\n");
    }
  }

  private static String firstLine(SocketChannel peer) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(LARGEST_REQUEST);
    while (buffer.hasRemaining() && peer.read(buffer) >= 0) {
      String text = new String(buffer.array(), 0, buffer.position(), StandardCharsets.ISO_8859_1);
      if (text.contains("\r\n\r\n")) {
        return text.substring(0, text.indexOf('\r'));
      }
    }
    return "";
  }

  private static void write(SocketChannel peer, Pages.Answer answer) throws IOException {
    byte[] body = answer.body().getBytes(StandardCharsets.UTF_8);
    String head =
        "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
            .formatted(
                answer.status(),
                answer.status() == 200 ? "OK" : "Failed",
                answer.type(),
                body.length);
    for (ByteBuffer piece :
        new ByteBuffer[] {
          ByteBuffer.wrap(head.getBytes(StandardCharsets.ISO_8859_1)), ByteBuffer.wrap(body)
        }) {
      while (piece.hasRemaining()) {
        peer.write(piece);
      }
    }
  }

  private static void close(SocketChannel peer) {
    try {
      peer.close();
    } catch (IOException failure) {
      LOG.debug("a connection did not close: {}", StageletException.reason(failure));
    }
  }

  @Override
  public void close() throws IOException {
    listening.close();
    if (file.isPresent()) {
      Files.deleteIfExists(file.get());
    }
  }
}
