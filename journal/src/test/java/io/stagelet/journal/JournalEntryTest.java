package io.stagelet.journal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class JournalEntryTest {
  @Test
  void encodesOneLineValuesAsText() {
    assertThat(JournalEntry.message(6, "hello").field("A_1", "x=y").build().encoded())
        .isEqualTo("MESSAGE=hello\nPRIORITY=6\nA_1=x=y\n".getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void encodesValuesWithLineFeedsByTheirLength() {
    assertThat(JournalEntry.builder().field("MESSAGE", "a\nb").build().encoded())
        .isEqualTo("MESSAGE\n\3\0\0\0\0\0\0\0a\nb\n".getBytes(StandardCharsets.UTF_8));
  }

  @Test
  void carriesAnyBytes() {
    byte[] value = {0, (byte) 0xff, '\n', '=', (byte) 0xc3};
    JournalEntry entry = JournalEntry.builder().field("MESSAGE", value).build();
    assertThat(JournalReceiver.parse(ByteBuffer.wrap(entry.encoded())).get("MESSAGE"))
        .isEqualTo(value);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "_PID", "1A", "lower", "A-B", "A B", "Ä"})
  void refusesFieldNamesThatJournaldWouldDrop(String name) {
    assertThatThrownBy(() -> JournalEntry.builder().field(name, "x"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("\"" + name + "\"");
  }

  @Test
  void refusesFieldNamesOfMoreThan64Characters() {
    assertThat(JournalEntry.builder().field("A".repeat(64), "x").build().fields()).hasSize(1);
    assertThatThrownBy(() -> JournalEntry.builder().field("A".repeat(65), "x"))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void refusesPrioritiesThatSyslogDoesNotKnow() {
    assertThatThrownBy(() -> JournalEntry.message(8, "x"))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
