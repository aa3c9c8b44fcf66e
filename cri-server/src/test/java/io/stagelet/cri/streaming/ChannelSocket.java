package io.stagelet.cri.streaming;

import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Base64;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;

/** A WebSocket whose messages belong to channels, as plain bytes or in base64. */
final class ChannelSocket implements WebSocket.Listener, AutoCloseable {
  private static final int ERROR = 3;
  private static final int MESSAGE = 32 << 10;

  private final boolean base64;
  private final Map<Integer, ByteArrayOutputStream> channels = new ConcurrentHashMap<>();
  private final CompletableFuture<byte[]> error = new CompletableFuture<>();
  private final CompletableFuture<Boolean> closed = new CompletableFuture<>();
  private final ByteArrayOutputStream message = new ByteArrayOutputStream();
  private final StringBuilder text = new StringBuilder();
  private final HttpClient client = HttpClient.newHttpClient();
  private final WebSocket socket;

  /** Connects to the URL that the CRI gave. */
  ChannelSocket(String subprotocol, String url) {
    base64 = subprotocol.contains("base64");
    socket =
        client
            .newWebSocketBuilder()
            .subprotocols(subprotocol)
            .buildAsync(URI.create(url.replaceFirst("^http", "ws")), this)
            .join();
  }

  /** Sends bytes on a channel, in several messages if they are many. */
  void send(int channel, byte[] bytes) {
    for (int from = 0; from < bytes.length; from += MESSAGE) {
      byte[] part = Arrays.copyOfRange(bytes, from, Math.min(bytes.length, from + MESSAGE));
      if (base64) {
        socket.sendText(channel + Base64.getEncoder().encodeToString(part), true).join();
      } else {
        ByteBuffer frame = ByteBuffer.allocate(part.length + 1).put((byte) channel).put(part);
        socket.sendBinary(frame.flip(), true).join();
      }
    }
  }

  /** What has come on a channel until now. */
  byte[] soFar(int channel) {
    ByteArrayOutputStream received = channel(channel);
    synchronized (received) {
      return received.toByteArray();
    }
  }

  /** The first message of a command's error channel; fails when the server closes without one. */
  CompletableFuture<byte[]> error() {
    return error;
  }

  /** Completes when the server has closed it, with whether it said so before. */
  CompletableFuture<Boolean> closed() {
    return closed;
  }

  private ByteArrayOutputStream channel(int number) {
    return channels.computeIfAbsent(number, _ -> new ByteArrayOutputStream());
  }

  private void received(int number, byte[] bytes) {
    ByteArrayOutputStream channel = channel(number);
    synchronized (channel) {
      channel.writeBytes(bytes);
    }
    if (number == ERROR && bytes.length > 0) {
      error.complete(bytes);
    }
  }

  @Override
  public CompletionStage<?> onBinary(WebSocket from, ByteBuffer data, boolean last) {
    byte[] bytes = new byte[data.remaining()];
    data.get(bytes);
    message.writeBytes(bytes);
    if (last) {
      byte[] whole = message.toByteArray();
      message.reset();
      received(whole[0], Arrays.copyOfRange(whole, 1, whole.length));
    }
    from.request(1);
    return CompletableFuture.completedFuture(null);
  }

  @Override
  public CompletionStage<?> onText(WebSocket from, CharSequence data, boolean last) {
    text.append(data);
    if (last) {
      received(text.charAt(0) - '0', Base64.getDecoder().decode(text.substring(1)));
      text.setLength(0);
    }
    from.request(1);
    return CompletableFuture.completedFuture(null);
  }

  @Override
  public CompletionStage<?> onClose(WebSocket from, int code, String reason) {
    error.completeExceptionally(new IllegalStateException("closed without a status"));
    closed.complete(true);
    return CompletableFuture.completedFuture(null);
  }

  @Override
  public void onError(WebSocket from, Throwable failure) {
    error.completeExceptionally(failure);
    closed.complete(false);
  }

  @Override
  public void close() {
    socket.abort();
    client.close();
  }
}
