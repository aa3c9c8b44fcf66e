package io.stagelet.cri.streaming;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class CommandStatusTest {
  private static String told(Ending ending, int version) {
    return CommandStatus.of(ending, version).toString(StandardCharsets.UTF_8);
  }

  @Test
  void versionFourTellsTheExitCodeInADocument() {
    assertThat(told(new Ending.Exited(0), 4)).isEqualTo("{\"metadata\":{},\"status\":\"Success\"}");
    assertThat(told(new Ending.Exited(3), 4))
        .contains(
            "\"status\":\"Failure\"",
            "\"reason\":\"NonZeroExitCode\"",
            "{\"reason\":\"ExitCode\",\"message\":\"3\"}");
    assertThat(told(new Ending.Failed("no \"such\" thing"), 5))
        .contains("\"reason\":\"InternalError\"", "no \\\"such\\\" thing");
  }

  @Test
  void earlierVersionsTellFailuresInWords() {
    assertThat(told(new Ending.Exited(0), 1)).isEmpty();
    assertThat(told(new Ending.Exited(3), 3)).endsWith("exit code: 3");
    assertThat(told(new Ending.Failed("why"), 2)).isEqualTo("why");
  }

  @Test
  void terminalSizesAreReadHoweverTheyAreCut() {
    List<String> sizes = new ArrayList<>();
    TerminalSizes reader = new TerminalSizes((columns, rows) -> sizes.add(columns + "x" + rows));
    for (String part :
        List.of(
            "{\"Width\":80,\"Hei",
            "ght\":24}\n{\"Width\":1",
            "00,\"Height\":40}",
            "{\"Width\":0,\"Height\":1}{}")) {
      reader.add(Unpooled.copiedBuffer(part, StandardCharsets.US_ASCII));
    }
    assertThat(sizes).containsExactly("80x24", "100x40");
  }
}
