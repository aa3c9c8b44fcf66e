package io.stagelet.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;

final class ChildProcessTest {
  private final DescriptorCalls calls = new DescriptorCalls();

  private record Ended(int exitCode, String output) {}

  private Ended run(Map<String, String> environment, String... arguments) throws Exception {
    Pipe pipe = Pipe.open();
    int nothing = calls.open(Path.of("/dev/null"), DescriptorCalls.O_RDWR, 0);
    ChildProcess child =
        ChildProcess.start(
            List.of(arguments),
            environment,
            new ChildProcess.Three(nothing, pipe.writingEnd(), pipe.writingEnd()));
    calls.close(pipe.writingEnd());
    calls.close(nothing);
    String output = readAll(pipe.readingEnd());
    calls.close(pipe.readingEnd());
    int exitCode = exitCode(child);
    child.close();
    return new Ended(exitCode, output);
  }

  private String readAll(int fd) {
    StringBuilder text = new StringBuilder();
    ByteBuffer buffer = ByteBuffer.allocateDirect(4096);
    while (calls.read(fd, buffer) > 0) {
      text.append(StandardCharsets.UTF_8.decode(buffer.flip()));
      buffer.clear();
    }
    return text.toString();
  }

  private static int exitCode(ChildProcess child) throws InterruptedException {
    OptionalInt code = child.exitCode();
    while (code.isEmpty()) {
      Thread.sleep(5);
      code = child.exitCode();
    }
    return code.getAsInt();
  }

  @Test
  void runsAProgramWithExactlyTheGivenEnvironment() throws Exception {
    Ended ended = run(Map.of("COLOR", "red"), "/usr/bin/env");
    assertThat(ended.output()).isEqualTo("COLOR=red\n");
    assertThat(ended.exitCode()).isZero();
  }

  @Test
  void tellsTheExitCodeAndTheSignal() throws Exception {
    assertThat(run(Map.of(), "/bin/sh", "-c", "exit 7").exitCode()).isEqualTo(7);
    assertThat(run(Map.of(), "/bin/sh", "-c", "kill -TERM $$").exitCode()).isEqualTo(128 + 15);
  }

  @Test
  void handsNoOtherDescriptorOnAndNoSignalIgnored() throws Exception {
    assertThat(run(Map.of(), "/bin/ls", "/proc/self/fd").output())
        .as("the fourth is the directory itself")
        .isEqualTo("0\n1\n2\n3\n");
    assertThat(run(Map.of(), "/bin/grep", "SigIgn", "/proc/self/status").output())
        .matches("SigIgn:\\s*0+\n");
  }

  @Test
  void aProgramThatIsNotThereIsNamed() {
    assertThatThrownBy(() -> run(Map.of(), "/no/such/program"))
        .isInstanceOf(StageletException.class)
        .hasMessageContaining("/no/such/program");
  }

  @Test
  void isKilledWhenAsked() throws Exception {
    int nothing = calls.open(Path.of("/dev/null"), DescriptorCalls.O_RDWR, 0);
    try (ChildProcess child =
        ChildProcess.start(
            List.of("/bin/sleep", "1000"),
            Map.of(),
            new ChildProcess.Three(nothing, nothing, nothing))) {
      calls.close(nothing);
      assertThat(child.exitCode()).isEmpty();
      child.kill();
      assertThat(exitCode(child)).isEqualTo(137);
      child.kill();
    }
  }

  @Test
  void aTerminalIsTheControllingOneAndHasItsSize() throws Exception {
    PseudoTerminal terminal = PseudoTerminal.openRaw();
    PseudoTerminal.resize(terminal.master(), 100, 40);
    try (ChildProcess child =
        ChildProcess.start(
            List.of("/bin/sh", "-c", "stty size < /dev/tty; tty; read line; echo got $line"),
            Map.of(),
            new ChildProcess.Terminal(terminal.device()))) {
      calls.write(
          terminal.master(),
          ByteBuffer.allocateDirect(3).put("hi\n".getBytes(StandardCharsets.UTF_8)).flip());
      int code = exitCode(child);
      ByteBuffer buffer = ByteBuffer.allocateDirect(4096);
      while (calls.read(terminal.master(), buffer) > 0) {
        assertThat(buffer.hasRemaining()).isTrue();
      }
      assertThat(StandardCharsets.UTF_8.decode(buffer.flip()).toString())
          .isEqualTo("40 100\n%s\ngot hi\n".formatted(terminal.device()));
      assertThat(code).isZero();
    } finally {
      calls.close(terminal.master());
    }
  }
}
