package io.stagelet.journal;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CriLinesTest {
  private final ByteBuffer data = Lines.buffer(4 << 20);
  private final ByteBuffer out = Lines.buffer(8 << 20);

  @Test
  void writesALineAsKubeletReadsIt() {
    assertThat(written("hello\n", true, "stderr"))
        .isEqualTo("2026-11-23T08:09:10.000000007Z stderr F hello\n");
  }

  @Test
  void keepsEmptyLinesAndCarriageReturns() {
    String head = "2026-11-23T08:09:10.000000007Z stdout F ";
    assertThat(written("\n\r\n", true, "stdout")).isEqualTo(head + "\n" + head + "\r\n");
  }

  @Test
  void waitsForTheEndOfALine() {
    assertThat(written("unfinished", false, "stdout")).isEmpty();
  }

  @Test
  void tagsWhatHasNoLineFeedAtTheEndAsPartial() {
    assertThat(written("unfinished", true, "stdout"))
        .isEqualTo("2026-11-23T08:09:10.000000007Z stdout P unfinished\n");
  }

  @Test
  void keepsALineOf16KiBWhole() {
    String line = "x".repeat(CriLines.LONGEST_PIECE);
    assertThat(tags(written(line + "\n", false, "stdout"))).isEqualTo("F");
    assertThat(written(line, false, "stdout")).as("its line feed may come yet").isEmpty();
  }

  @Test
  void splitsALongerLineInPiecesOf16KiB() {
    String line = "x".repeat(2 * CriLines.LONGEST_PIECE + 1);
    String written = written(line + "\n", false, "stdout");
    assertThat(tags(written)).isEqualTo("PPF");
    assertThat(CriLog.parse(written.getBytes(StandardCharsets.UTF_8)))
        .extracting(text -> text.text().length)
        .containsExactly(CriLines.LONGEST_PIECE, CriLines.LONGEST_PIECE, 1);
  }

  @Test
  void stopsAtAWholeLineWhenThereIsNoMoreRoom() {
    data.put(0, "first\nsecond\n".getBytes(StandardCharsets.UTF_8));
    CriLines lines = new CriLines("stdout");
    out.clear().limit(60);
    assertThat(lines.write(data, 0, 13, false, out)).isEqualTo("first\n".length());
  }

  @Test
  void writesTheSameTimestampsAsTheJdk() {
    Random random = new Random(1);
    DateTimeFormatter format = DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.nnnnnnnnn'Z'");
    CriLines lines = new CriLines("stdout");
    for (int i = 0; i < 1000; i++) {
      Instant time =
          Instant.ofEpochSecond(random.nextLong(4_000_000_000L), random.nextInt(1_000_000_000));
      lines.stamp(time.getEpochSecond(), time.getNano());
      data.put(0, (byte) '\n');
      lines.write(data, 0, 1, false, out.clear());
      assertThat(text(out).substring(0, 30))
          .isEqualTo(format.format(time.atOffset(java.time.ZoneOffset.UTC)));
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
  void givesTheSameLinesHoweverTheOutputComes(long seed) {
    Random random = new Random(seed);
    byte[] output = RandomOutput.of(random, 500_000);
    data.put(0, output);
    String whole = write(new CriLines("stdout"), List.of(output.length));
    List<Integer> chunks = new ArrayList<>();
    for (int at = 0; at < output.length; ) {
      at = Math.min(output.length, at + 1 + random.nextInt(random.nextBoolean() ? 100 : 70_000));
      chunks.add(at);
    }
    assertThat(write(new CriLines("stdout"), chunks)).isEqualTo(whole);
    assertThat(CriLog.output(CriLog.parse(whole.getBytes(StandardCharsets.ISO_8859_1)), "stdout"))
        .isEqualTo(output);
  }

  /** Writes with the output known up to each of these ends in turn. */
  private String write(CriLines lines, List<Integer> ends) {
    lines.stamp(0, 0);
    out.clear();
    int at = 0;
    for (int i = 0; i < ends.size(); i++) {
      at = lines.write(data, at, ends.get(i), i == ends.size() - 1, out);
    }
    assertThat(at).isEqualTo(ends.getLast());
    return text(out);
  }

  private String written(String output, boolean ended, String stream) {
    byte[] bytes = output.getBytes(StandardCharsets.UTF_8);
    data.put(0, bytes);
    CriLines lines = new CriLines(stream);
    lines.stamp(Instant.parse("2026-11-23T08:09:10Z").getEpochSecond(), 7);
    lines.write(data, 0, bytes.length, ended, out.clear());
    return text(out);
  }

  private static String tags(String written) {
    StringBuilder tags = new StringBuilder();
    CriLog.parse(written.getBytes(StandardCharsets.UTF_8)).forEach(line -> tags.append(line.tag()));
    return tags.toString();
  }

  private static String text(ByteBuffer written) {
    byte[] bytes = new byte[written.position()];
    written.get(0, bytes);
    return new String(bytes, StandardCharsets.ISO_8859_1);
  }
}
