package io.stagelet.journal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.StageletException;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class StreamEntriesTest {
  private final ByteBuffer data = Lines.buffer(4 << 20);
  private final ByteBuffer entry = Lines.buffer(StreamEntries.LONGEST_ENTRY);

  @Test
  void putsTheContainersFieldsIntoEachEntry() {
    List<Map<String, byte[]>> entries =
        entries(
            "one\ntwo\n", true, false, output(Map.of("K8S_POD_NAME", "web", "L", "a\nb"), false));
    assertThat(entries).hasSize(2);
    for (Map<String, byte[]> fields : entries) {
      assertThat(JournalReceiver.text(fields, "K8S_POD_NAME")).isEqualTo("web");
      assertThat(JournalReceiver.text(fields, "L")).isEqualTo("a\nb");
      assertThat(JournalReceiver.text(fields, "CONTAINER_ID_FULL")).isEqualTo("c1");
      assertThat(JournalReceiver.text(fields, "STREAM")).isEqualTo("stderr");
      assertThat(JournalReceiver.text(fields, "PRIORITY")).isEqualTo("3");
      assertThat(fields).doesNotContainKey("CONTAINER_PARTIAL_MESSAGE");
    }
    assertThat(messages(entries)).containsExactly("one", "two");
    assertThat(JournalReceiver.text(entries.get(0), "STAGELET_SEQUENCE")).isEqualTo("0");
    assertThat(JournalReceiver.text(entries.get(1), "STAGELET_SEQUENCE")).isEqualTo("1");
  }

  @Test
  void letsLinesShareAnEntryWhereAskedTo() {
    assertThat(messages(entries("one\n\ntwo\nrest", false, true, output(Map.of(), false))))
        .containsExactly("one\n\ntwo");
  }

  @Test
  void letsNoMoreLinesShareAnEntryThanFitIn48KiB() {
    String line = "x".repeat(1023) + "\n";
    assertThat(messages(entries(line.repeat(100), true, true, output(Map.of(), false))))
        .extracting(String::length)
        .containsExactly(48 * 1024 - 1, 48 * 1024 - 1, 4 * 1024 - 1);
  }

  @Test
  void marksAllPartsOfALongLineButTheLast() {
    List<Map<String, byte[]>> entries =
        entries("x".repeat(100_000) + "\n", false, false, output(Map.of(), false));
    assertThat(entries)
        .extracting(fields -> fields.containsKey("CONTAINER_PARTIAL_MESSAGE"))
        .containsExactly(true, true, false);
  }

  @Test
  void takesThePriorityFromALineWhereAskedTo() {
    List<Map<String, byte[]>> entries =
        entries("<2>bad\nusual\n<9>odd\n<7>\n", true, true, output(Map.of(), true));
    assertThat(messages(entries)).containsExactly("bad\nusual\n<9>odd", "");
    assertThat(entries)
        .extracting(fields -> JournalReceiver.text(fields, "PRIORITY"))
        .containsExactly("2", "7");
  }

  @Test
  void leavesPrioritiesInLinesAloneOtherwise() {
    assertThat(messages(entries("<2>bad\n", true, false, output(Map.of(), false))))
        .containsExactly("<2>bad");
  }

  @Test
  void refusesMoreFieldsThanAnEntryShouldCarry() {
    ContainerOutput tooMuch = output(Map.of("L", "x".repeat(100_000)), false);
    assertThatThrownBy(() -> new StreamEntries(tooMuch, StreamKind.STDOUT))
        .isInstanceOf(StageletException.class)
        .hasMessageContaining("fewer labels");
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6})
  void losesNothingOfAnyOutput(long seed) {
    Random random = new Random(seed);
    byte[] output = RandomOutput.of(random, 500_000);
    data.put(0, output);
    StreamEntries entries = new StreamEntries(output(Map.of(), false), StreamKind.STDOUT);
    ByteArrayOutputStream seen = new ByteArrayOutputStream();
    int at = 0;
    for (int end = 0; at < output.length; ) {
      end = Math.min(output.length, end + random.nextInt(70_000));
      while (entries.next(data, at, end, end == output.length, random.nextBoolean())) {
        entries.write(data, 0, entry.clear());
        Map<String, byte[]> fields = JournalReceiver.parse(entry.flip());
        entry.order(java.nio.ByteOrder.LITTLE_ENDIAN);
        seen.writeBytes(fields.get("MESSAGE"));
        if (!fields.containsKey("CONTAINER_PARTIAL_MESSAGE")) {
          seen.write('\n');
        }
        at = entries.end();
      }
    }
    byte[] expected = output;
    if (output[output.length - 1] != '\n') {
      expected = java.util.Arrays.copyOf(output, output.length + 1);
      expected[output.length] = '\n';
    }
    assertThat(seen.toByteArray()).isEqualTo(expected);
  }

  private List<Map<String, byte[]>> entries(
      String text, boolean ended, boolean together, ContainerOutput output) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    data.put(0, bytes);
    StreamEntries entries = new StreamEntries(output, StreamKind.STDERR);
    List<Map<String, byte[]>> all = new ArrayList<>();
    int at = 0;
    while (entries.next(data, at, bytes.length, ended, together)) {
      entries.write(data, all.size() % 10, entry.clear());
      all.add(JournalReceiver.parse(entry.flip()));
      at = entries.end();
    }
    return all;
  }

  private static List<String> messages(List<Map<String, byte[]>> entries) {
    return entries.stream().map(fields -> JournalReceiver.text(fields, "MESSAGE")).toList();
  }

  private static ContainerOutput output(Map<String, String> fields, boolean priorityPrefix) {
    return new ContainerOutput(
        "c1",
        Path.of("/o"),
        Path.of("/e"),
        Optional.empty(),
        fields,
        priorityPrefix,
        OutputPolicy.BLOCK);
  }
}
