package io.stagelet.cri.command;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import org.junit.jupiter.api.Test;

class ExportFormatTest {
  private static ExportFormat of(String text) {
    return new ExportFormat(new ByteArrayInputStream(text.getBytes(StandardCharsets.ISO_8859_1)));
  }

  @Test
  void readsOneEntryAfterTheOther() throws IOException {
    ExportFormat entries =
        of("__REALTIME_TIMESTAMP=1795519780000001\nMESSAGE=a=b\n\nMESSAGE=second\n\n");
    RecordedEntry first = entries.next().orElseThrow();
    assertThat(first.text("MESSAGE")).isEqualTo("a=b");
    assertThat(first.time()).isEqualTo(Instant.ofEpochSecond(1_795_519_780L, 1_000));
    assertThat(entries.next().orElseThrow().text("MESSAGE")).isEqualTo("second");
    assertThat(entries.next()).isEmpty();
  }

  @Test
  void keepsEachByteOfABinaryField() throws IOException {
    ExportFormat entries = of("MESSAGE\n\5\0\0\0\0\0\0\0a\n\0\u00ffb\nSTREAM=stdout\n\n");
    RecordedEntry entry = entries.next().orElseThrow();
    assertThat(entry.bytes("MESSAGE")).containsExactly('a', '\n', 0, 0xff, 'b');
    assertThat(entry.text("STREAM")).isEqualTo("stdout");
  }

  @Test
  void saysThatAFieldIsCutOff() {
    assertThatThrownBy(() -> of("MESSAGE\n\5\0\0\0\0\0\0\0a").next())
        .isInstanceOf(EOFException.class);
    assertThatThrownBy(() -> of("MESSAGE\n\5\0").next()).isInstanceOf(EOFException.class);
  }

  @Test
  void refusesAFieldOfAnImpossibleLength() {
    assertThatThrownBy(() -> of("MESSAGE\n\0\0\0\0\0\0\0\u0080").next())
        .isInstanceOf(IOException.class)
        .hasMessageContaining("bytes");
  }

  @Test
  void prefersTheTimeAtWhichAnEntryWasSaid() throws IOException {
    RecordedEntry entry =
        of("__REALTIME_TIMESTAMP=2000000\n_SOURCE_REALTIME_TIMESTAMP=1000000\n\n")
            .next()
            .orElseThrow();
    assertThat(entry.time()).isEqualTo(Instant.ofEpochSecond(1));
  }
}
