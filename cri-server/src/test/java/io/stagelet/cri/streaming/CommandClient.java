package io.stagelet.cri.streaming;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;

/** A client of an exec or attach session, the same for both protocols. */
public abstract class CommandClient implements AutoCloseable {
  /** Which streams it has. */
  public record Wish(boolean stdin, boolean stdout, boolean stderr, boolean terminal) {}

  /** The protocols that there are. */
  public enum Protocol {
    SPDY("v4.channel.k8s.io"),
    SPDY_WITH_WINDOWS("v4.channel.k8s.io"),
    WEBSOCKET_5("v5.channel.k8s.io"),
    WEBSOCKET_4("v4.channel.k8s.io"),
    WEBSOCKET_BASE64("v4.base64.channel.k8s.io");

    private final String subprotocol;

    Protocol(String subprotocol) {
      this.subprotocol = subprotocol;
    }

    /** Whether the input can be ended. */
    public boolean endsInput() {
      return this == SPDY || this == SPDY_WITH_WINDOWS || this == WEBSOCKET_5;
    }
  }

  /** Connects to the URL that the CRI gave. */
  public static CommandClient open(Protocol protocol, String url, Wish wish) {
    return switch (protocol) {
      case SPDY, SPDY_WITH_WINDOWS ->
          new OverSpdy(
              new SpdyClient(
                  URI.create(url), protocol.subprotocol, protocol == Protocol.SPDY_WITH_WINDOWS),
              wish);
      case WEBSOCKET_5, WEBSOCKET_4, WEBSOCKET_BASE64 -> new OverWebSocket(protocol, url);
    };
  }

  /** Sends input. */
  public abstract void input(byte[] bytes);

  /** Ends the input. */
  public abstract void endInput();

  /** Tells the terminal's size. */
  public abstract void resize(int columns, int rows);

  /** What has come of an output, 1 or 2, until now. */
  public abstract byte[] soFar(int output);

  /** What came on the error stream, at the end. */
  abstract CompletableFuture<byte[]> error();

  /** Waits for the end. */
  public JsonNode status() {
    try {
      return new ObjectMapper().readTree(SpdyClient.get(error()));
    } catch (JsonProcessingException failure) {
      throw new AssertionError("not a status", failure);
    } catch (java.io.IOException impossible) {
      throw new AssertionError("an array is read", impossible);
    }
  }

  /** Waits for the end, and tells the exit code. */
  public int exitCode() {
    JsonNode status = status();
    if (status.path("status").asText().equals("Success")) {
      return 0;
    }
    JsonNode cause = status.path("details").path("causes").path(0);
    if (!cause.path("reason").asText().equals("ExitCode")) {
      throw new AssertionError("no exit code in " + status);
    }
    return Integer.parseInt(cause.path("message").asText());
  }

  /** Waits for the end, and gives an output, 1 or 2. */
  public byte[] bytes(int output) {
    SpdyClient.get(error());
    return soFar(output);
  }

  /** The same, as text. */
  public String text(int output) {
    return new String(bytes(output), StandardCharsets.UTF_8);
  }

  @Override
  public abstract void close();

  private static final class OverSpdy extends CommandClient {
    private final SpdyClient client;
    private final Map<String, SpdyClient.Stream> streams = new TreeMap<>();

    OverSpdy(SpdyClient client, Wish wish) {
      this.client = client;
      open("error", true);
      open("stdin", wish.stdin());
      open("stdout", wish.stdout());
      open("stderr", wish.stderr() && !wish.terminal());
      open("resize", wish.terminal());
    }

    private void open(String type, boolean wanted) {
      if (wanted) {
        streams.put(type, client.open(Map.of("streamtype", type)));
      }
    }

    private SpdyClient.Stream stream(String type) {
      SpdyClient.Stream stream = streams.get(type);
      if (stream == null) {
        throw new IllegalStateException("there is no stream " + type);
      }
      return stream;
    }

    @Override
    public void input(byte[] bytes) {
      stream("stdin").write(bytes);
    }

    @Override
    public void endInput() {
      stream("stdin").end();
    }

    @Override
    public void resize(int columns, int rows) {
      stream("resize").write(size(columns, rows));
    }

    @Override
    public byte[] soFar(int output) {
      return stream(output == 1 ? "stdout" : "stderr").soFar();
    }

    /** The outputs too are closed by the server. */
    @Override
    CompletableFuture<byte[]> error() {
      CompletableFuture<byte[]> outputs =
          CompletableFuture.allOf(
                  streams.entrySet().stream()
                      .filter(entry ->
                          entry.getKey().startsWith("stdo") || entry.getKey().startsWith("stde"))
                      .map(entry -> entry.getValue().all())
                      .toArray(CompletableFuture[]::new))
              .thenCompose(_ -> stream("error").all());
      return outputs;
    }

    @Override
    public void close() {
      client.close();
    }
  }

  private static byte[] size(int columns, int rows) {
    return "{\"Width\":%d,\"Height\":%d}\n"
        .formatted(columns, rows)
        .getBytes(StandardCharsets.UTF_8);
  }

  private static final class OverWebSocket extends CommandClient {
    private final ChannelSocket socket;

    OverWebSocket(Protocol protocol, String url) {
      socket = new ChannelSocket(protocol.subprotocol, url);
    }

    @Override
    public void input(byte[] bytes) {
      socket.send(0, bytes);
    }

    @Override
    public void endInput() {
      socket.send(255, new byte[] {0});
    }

    @Override
    public void resize(int columns, int rows) {
      socket.send(4, size(columns, rows));
    }

    @Override
    public byte[] soFar(int output) {
      return socket.soFar(output);
    }

    @Override
    CompletableFuture<byte[]> error() {
      return socket.error();
    }

    @Override
    public void close() {
      socket.close();
    }
  }
}
