package io.stagelet.stage0;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.InputStream;
import java.security.MessageDigest;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(20)
class ByteRelayTest {
  @Test
  void allBytesArriveInOrderAndAreHashed() throws Exception {
    byte[] content = new byte[5_000_000];
    new Random(1).nextBytes(content);
    ByteRelay relay = new ByteRelay();
    CompletableFuture<Void> writer =
        CompletableFuture.runAsync(() -> {
          try {
            Random random = new Random(2);
            int at = 0;
            while (at < content.length) {
              byte[] buffer = relay.buffer();
              int count = Math.min(content.length - at, random.nextInt(buffer.length + 1));
              System.arraycopy(content, at, buffer, 0, count);
              relay.send(buffer, count);
              at += count;
            }
            relay.end();
          } catch (IOException | InterruptedException failure) {
            throw new IllegalStateException(failure);
          }
        });
    MessageDigest digest = MessageDigest.getInstance("SHA-256");

    try (InputStream reader = relay.reader(digest)) {
      assertThat(reader.readAllBytes()).isEqualTo(content);
      assertThat(reader.read()).isEqualTo(-1);
    }
    writer.get();
    assertThat(new Digest("sha256", java.util.HexFormat.of().formatHex(digest.digest())))
        .isEqualTo(Digest.of(content));
  }

  @Test
  void theReaderHearsWhyTheSourceFailedAfterWhatItSent() throws Exception {
    ByteRelay relay = new ByteRelay();
    byte[] buffer = relay.buffer();
    buffer[0] = 7;
    relay.send(buffer, 1);
    IllegalStateException cause = new IllegalStateException("no more");
    relay.fail(cause);

    InputStream reader = relay.reader();

    assertThat(reader.read()).isEqualTo(7);
    assertThatThrownBy(reader::read).isInstanceOf(IOException.class).hasCause(cause);
    assertThatThrownBy(reader::read).hasCause(cause);
  }

  @Test
  void aWriterThatWaitsHearsThatTheReaderHasGone() throws Exception {
    ByteRelay relay = new ByteRelay();
    CompletableFuture<Void> writer =
        CompletableFuture.runAsync(() -> {
          try {
            while (true) {
              relay.send(relay.buffer(), 1);
            }
          } catch (IOException | InterruptedException failure) {
            throw new IllegalStateException(failure);
          }
        });

    relay.reader().close();

    assertThatThrownBy(writer::get)
        .isInstanceOf(ExecutionException.class)
        .hasRootCauseMessage("the reader has gone");
    assertThatThrownBy(relay::buffer).hasMessage("the reader has gone");
  }
}
