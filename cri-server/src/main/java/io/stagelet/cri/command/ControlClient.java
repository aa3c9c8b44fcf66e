package io.stagelet.cri.command;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** Asks the server for what it tells of itself. */
public final class ControlClient {
  private static final int BUFFER = 1 << 16;
  private static final String END_OF_HEAD = "\r\n\r\n";

  private final Path socket;

  /** Asks on the control socket. */
  public ControlClient(Path socket) {
    this.socket = socket;
  }

  /** What is on a page, as JSON. */
  JsonNode json(String path) {
    return parsed(text("GET", path));
  }

  /** What comes of a change, as JSON. */
  JsonNode post(String path) {
    return parsed(text("POST", path));
  }

  private static JsonNode parsed(String text) {
    try {
      return new ObjectMapper().readTree(text);
    } catch (JsonProcessingException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL, "the server's answer is not JSON: " + text, failure);
    }
  }

  /**
   * What is on a page.
   *
   * @throws StageletException {@code UNAVAILABLE} when the server does not run, {@code NOT_FOUND}
   *     with its words when it knows no such thing
   */
  public String text(String method, String path) {
    String answer;
    try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
      boolean _ = channel.connect(UnixDomainSocketAddress.of(socket));
      ByteBuffer request =
          ByteBuffer.wrap(
              "%s %s HTTP/1.1\r\nHost: localhost\r\n\r\n"
                  .formatted(method, path)
                  .getBytes(StandardCharsets.ISO_8859_1));
      while (request.hasRemaining()) {
        channel.write(request);
      }
      ByteArrayOutputStream received = new ByteArrayOutputStream();
      ByteBuffer buffer = ByteBuffer.allocate(BUFFER);
      while (channel.read(buffer) >= 0) {
        received.write(buffer.array(), 0, buffer.position());
        buffer.clear();
      }
      answer = received.toString(StandardCharsets.UTF_8);
    } catch (IOException failure) {
      String reason = StageletException.reason(failure);
      if (reason.contains("Permission denied")) {
        throw new StageletException(
            ErrorCode.PERMISSION_DENIED,
            "only root may ask the server (%s): try sudo".formatted(socket),
            failure);
      }
      throw new StageletException(
          ErrorCode.UNAVAILABLE,
          "the server cannot be asked on %s: %s; see systemctl status stagelet"
              .formatted(socket, reason),
          failure);
    }
    int body = answer.indexOf(END_OF_HEAD);
    if (body < 0 || !answer.startsWith("HTTP/1.1 ")) {
      throw new StageletException(
          ErrorCode.UNAVAILABLE, "the server on %s gave no answer".formatted(socket));
    }
    String text = answer.substring(body + END_OF_HEAD.length());
    if (!answer.startsWith("HTTP/1.1 200")) {
      throw new StageletException(
          answer.startsWith("HTTP/1.1 404") ? ErrorCode.NOT_FOUND : ErrorCode.INTERNAL,
          text.strip());
    }
    return text;
  }
}
