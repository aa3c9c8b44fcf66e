package io.stagelet.cri.streaming;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.netty.buffer.ByteBuf;
import java.nio.charset.StandardCharsets;

/**
 * Reads the sizes that a client's terminal takes: JSON objects with {@code Width} and {@code
 * Height}, one after the other, cut anywhere.
 */
final class TerminalSizes {
  /** Hears of each. */
  @FunctionalInterface
  interface Listener {
    void resize(int columns, int rows);
  }

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int LONGEST = 1024;
  private static final int LARGEST = 0xffff;

  private final StringBuilder text = new StringBuilder();
  private final Listener listener;

  TerminalSizes(Listener listener) {
    this.listener = listener;
  }

  /** Takes bytes, and with them the buffer; what is no size is passed over. */
  void add(ByteBuf bytes) {
    text.append(bytes.toString(StandardCharsets.US_ASCII));
    bytes.release();
    for (int end = text.indexOf("}"); end >= 0; end = text.indexOf("}")) {
      read(text.substring(0, end + 1));
      text.delete(0, end + 1);
    }
    if (text.length() > LONGEST) {
      text.setLength(0);
    }
  }

  private void read(String document) {
    try {
      JsonNode size = JSON.readTree(document);
      int columns = size.path("Width").asInt();
      int rows = size.path("Height").asInt();
      if (columns > 0 && columns <= LARGEST && rows > 0 && rows <= LARGEST) {
        listener.resize(columns, rows);
      }
    } catch (JsonProcessingException none) {
      // a size that cannot be read is worth no session
      return;
    }
  }
}
