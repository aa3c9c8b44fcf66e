package io.stagelet.cri.probe;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.ByteArrayOutputStream;
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

/**
 * Makes the call {@code Version} as a client does, from the connection to the answer: a server that
 * passes accepts connections, reads them, has threads for calls and answers them. The request is
 * always the same, so it is written down as its HTTP/2 frames (RFC 9113, RFC 7541), and of the
 * answer it is enough to see which frames come: this can be in a watchdog, and in a command that
 * starts quickly, without a gRPC client.
 */
public final class CriProbe {
  private static final byte[] PREFACE =
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".getBytes(StandardCharsets.US_ASCII);
  private static final String METHOD = "/runtime.v1.RuntimeService/Version";

  private static final int DATA = 0;
  private static final int HEADERS = 1;
  private static final int RST_STREAM = 3;
  private static final int SETTINGS = 4;
  private static final int GOAWAY = 7;

  private static final int END_STREAM = 0x1;
  private static final int END_HEADERS = 0x4;

  private static final int FRAME_HEADER = 9;
  private static final int GRPC_PREFIX = 5;
  private static final int LARGEST_FRAME = 1 << 14;

  /** Indexes of HPACK's static table. */
  private static final int METHOD_POST = 0x83;

  private static final int SCHEME_HTTP = 0x86;
  private static final int NAME_PATH = 4;
  private static final int NAME_AUTHORITY = 1;

  /** Index 31, which does not fit into four bits. */
  private static final byte[] NAME_CONTENT_TYPE = {0x0f, 0x10};

  private CriProbe() {}

  /**
   * Asks the server on a socket.
   *
   * @return how long the answer took
   * @throws StageletException {@code UNAVAILABLE} when nobody listens or the answer is none, {@code
   *     PERMISSION_DENIED} when this user may not ask, {@code DEADLINE_EXCEEDED} when none came in
   *     time
   */
  public static Duration ask(Path socket, Duration deadline) {
    long begin = System.nanoTime();
    long end = begin + deadline.toNanos();
    try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        Selector selector = Selector.open()) {
      if (!channel.connect(UnixDomainSocketAddress.of(socket))) {
        throw failed(socket, "the connection is not made");
      }
      channel.configureBlocking(false);
      channel.register(selector, SelectionKey.OP_READ);
      ByteBuffer request = ByteBuffer.wrap(request());
      while (request.hasRemaining()) {
        channel.write(request);
      }
      ByteBuffer received = ByteBuffer.allocate(2 * LARGEST_FRAME);
      boolean answered = false;
      while (!answered) {
        long left = end - System.nanoTime();
        if (left <= 0 || selector.select(Math.max(1, left / 1_000_000)) == 0) {
          throw new StageletException(
              ErrorCode.DEADLINE_EXCEEDED,
              "the CRI on %s took the call Version and did not answer within %d ms"
                  .formatted(socket, deadline.toMillis()));
        }
        selector.selectedKeys().clear();
        if (channel.read(received) < 0) {
          throw failed(
              socket, "it closed the connection; it may not take this user (run this as root)");
        }
        answered = consume(received.flip(), socket);
        received.compact();
      }
      return Duration.ofNanos(System.nanoTime() - begin);
    } catch (IOException failure) {
      throw new StageletException(
          String.valueOf(failure.getMessage()).contains("Permission")
              ? ErrorCode.PERMISSION_DENIED
              : ErrorCode.UNAVAILABLE,
          "the CRI on %s cannot be reached: %s"
              .formatted(socket, StageletException.reason(failure)),
          failure);
    }
  }

  /** Takes whole frames; true once one is of an answer. */
  private static boolean consume(ByteBuffer received, Path socket) {
    while (received.remaining() >= FRAME_HEADER) {
      int start = received.position();
      int length = (received.getShort(start) & 0xffff) << 8 | (received.get(start + 2) & 0xff);
      if (length > LARGEST_FRAME) {
        throw failed(socket, "what it sent is not HTTP/2");
      }
      if (received.remaining() < FRAME_HEADER + length) {
        return false;
      }
      int type = received.get(start + 3);
      int flags = received.get(start + 4);
      received.position(start + FRAME_HEADER + length);
      if (type == DATA && length > GRPC_PREFIX) {
        return true;
      }
      if (type == RST_STREAM || type == GOAWAY || (type == HEADERS && (flags & END_STREAM) != 0)) {
        throw failed(socket, "it refused the call Version");
      }
    }
    return false;
  }

  private static byte[] request() {
    ByteArrayOutputStream headers = new ByteArrayOutputStream();
    headers.write(METHOD_POST);
    headers.write(SCHEME_HTTP);
    headers.write(NAME_PATH);
    text(headers, METHOD);
    headers.write(NAME_AUTHORITY);
    text(headers, "localhost");
    headers.writeBytes(NAME_CONTENT_TYPE);
    text(headers, "application/grpc");
    headers.write(0);
    text(headers, "te");
    text(headers, "trailers");
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    all.writeBytes(PREFACE);
    frame(all, SETTINGS, 0, 0, new byte[0]);
    frame(all, HEADERS, END_HEADERS, 1, headers.toByteArray());
    // an empty message
    frame(all, DATA, END_STREAM, 1, new byte[GRPC_PREFIX]);
    return all.toByteArray();
  }

  private static void text(ByteArrayOutputStream to, String text) {
    to.write(text.length());
    to.writeBytes(text.getBytes(StandardCharsets.US_ASCII));
  }

  private static void frame(
      ByteArrayOutputStream to, int type, int flags, int stream, byte[] payload) {
    ByteBuffer header = ByteBuffer.allocate(FRAME_HEADER);
    header.put((byte) 0).putShort((short) payload.length).put((byte) type).put((byte) flags);
    header.putInt(stream);
    to.writeBytes(header.array());
    to.writeBytes(payload);
  }

  private static StageletException failed(Path socket, String why) {
    return new StageletException(
        ErrorCode.UNAVAILABLE, "the CRI on %s does not answer: %s".formatted(socket, why));
  }
}
