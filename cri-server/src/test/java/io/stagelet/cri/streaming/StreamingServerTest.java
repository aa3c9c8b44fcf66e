package io.stagelet.cri.streaming;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.stagelet.linux.ChildProcess;
import io.stagelet.linux.Command;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.Orphans;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.Stage1;
import java.io.IOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The whole server with real processes and sockets; only the stage1 is not there. */
@Timeout(120)
final class StreamingServerTest {
  private static final CommandClient.Wish ALL = new CommandClient.Wish(true, true, true, false);
  private static final CommandClient.Wish TERMINAL =
      new CommandClient.Wish(true, true, false, true);

  private final LocalStreams streams = new LocalStreams();
  private final AtomicInteger open = streams.open();

  @AfterEach
  void close() {
    streams.close();
  }

  /** One whose command leaves its process behind, and may die before it says which. */
  private final class LeavingExec implements Stage1.Exec {
    private final Path pid;
    private final Command command;

    LeavingExec(Path directory, String script, boolean tells) {
      pid = directory.resolve("pid");
      command =
          Command.of(
              "/bin/sh",
              "-c",
              "exec 3<&0; (exec <&3 3<&-; sleep 0.1; %s) & %s"
                  .formatted(script, tells ? "echo $! > " + pid : "exit 0"));
      open.incrementAndGet();
    }

    @Override
    public Command command() {
      return command;
    }

    @Override
    public boolean leavesProcess() {
      return true;
    }

    @Override
    public ChildProcess process() {
      try {
        return ChildProcess.adopted(Integer.parseInt(Files.readString(pid).strip()));
      } catch (IOException failure) {
        throw new StageletException(ErrorCode.INTERNAL, "nothing was left in " + pid, failure);
      }
    }

    @Override
    public Optional<String> refusal() {
      return Optional.empty();
    }

    @Override
    public void kill() {}

    @Override
    public void close() {
      open.decrementAndGet();
    }
  }

  private CommandClient client(
      CommandClient.Protocol protocol, String script, CommandClient.Wish wish) {
    return streams.client(protocol, script, wish);
  }

  @ParameterizedTest
  @EnumSource
  void outputsAndTheExitCodeComeEachForItself(CommandClient.Protocol protocol) {
    try (CommandClient client = client(protocol, "echo out; echo err >&2; exit 3", ALL)) {
      assertThat(client.exitCode()).isEqualTo(3);
      assertThat(client.text(1)).isEqualTo("out\n");
      assertThat(client.text(2)).isEqualTo("err\n");
    }
    await().until(() -> open.get() == 0);
  }

  @ParameterizedTest
  @EnumSource
  void whatIsSentComesBackAsItIs(CommandClient.Protocol protocol) {
    byte[] sent = new byte[3_000_001];
    new Random(1).nextBytes(sent);
    try (CommandClient client =
        client(protocol, protocol.endsInput() ? "cat" : "head -c %d".formatted(sent.length), ALL)) {
      client.input(sent);
      if (protocol.endsInput()) {
        client.endInput();
      }
      assertThat(client.exitCode()).isZero();
      assertThat(client.bytes(1)).isEqualTo(sent);
    }
  }

  @ParameterizedTest
  @EnumSource
  void aTerminalHasItsSizeAndOneOutput(CommandClient.Protocol protocol) {
    try (CommandClient client =
        client(protocol, "read line; stty size; echo to $line; exit 5", TERMINAL)) {
      client.resize(101, 41);
      client.input("x\n".getBytes(StandardCharsets.UTF_8));
      assertThat(client.exitCode()).isEqualTo(5);
      assertThat(client.text(1)).isEqualTo("41 101\nto x\n");
    }
  }

  @ParameterizedTest
  @EnumSource
  void aProcessIsGoneWhenItsClientIs(CommandClient.Protocol protocol) {
    long pid;
    try (CommandClient client = client(protocol, "echo $$; exec sleep 1000", ALL)) {
      String text =
          await()
              .until(
                  () -> new String(client.soFar(1), StandardCharsets.UTF_8).strip(),
                  told -> !told.isEmpty());
      pid = Long.parseLong(text);
      assertThat(ProcessHandle.of(pid)).isPresent();
    }
    await().until(() -> ProcessHandle.of(pid).isEmpty());
    await().until(() -> open.get() == 0);
  }

  @ParameterizedTest
  @EnumSource
  void aProcessThatItsCommandLeavesIsTakenOver(
      CommandClient.Protocol protocol, @TempDir Path directory) {
    try (Orphans _ = Orphans.adopt();
        CommandClient client =
            CommandClient.open(
                protocol,
                streams.url(
                    () ->
                        new LeavingExec(
                            directory, "read line; sleep 20 & echo got $line; exit 6", true),
                    ALL),
                ALL)) {
      client.input("it\n".getBytes(StandardCharsets.UTF_8));
      assertThat(client.exitCode()).isEqualTo(6);
      assertThat(client.text(1)).isEqualTo("got it\n");
    }
    await().until(() -> open.get() == 0);
  }

  @Test
  void aProcessThatIsNotFoundAfterItsCommandIsAFailure(@TempDir Path directory) {
    try (Orphans _ = Orphans.adopt();
        CommandClient client =
            CommandClient.open(
                CommandClient.Protocol.WEBSOCKET_5,
                streams.url(() -> new LeavingExec(directory, "true", false), ALL),
                ALL)) {
      assertThat(client.status().toString()).contains("nothing was left in");
    }
    await().until(() -> open.get() == 0);
  }

  @ParameterizedTest
  @EnumSource
  void aChildThatIsLeftBehindDoesNotHoldTheSessionOpen(CommandClient.Protocol protocol) {
    try (CommandClient client = client(protocol, "sleep 20 & echo done; exit 4", ALL)) {
      assertThat(client.exitCode()).isEqualTo(4);
      assertThat(client.text(1)).isEqualTo("done\n");
    }
  }

  @Test
  void aSlowClientHoldsTheProcessBackAndLosesNothing() {
    try (CommandClient client =
        client(CommandClient.Protocol.SPDY, "head -c 40000000 /dev/zero; echo end", ALL)) {
      assertThat(client.bytes(1))
          .hasSize(40_000_004)
          .endsWith("end\n".getBytes(StandardCharsets.UTF_8));
    }
  }

  @Test
  void aTokenIsGoodOnceAndForItsKindOnly() {
    String url = streams.url("true", ALL);
    String elsewhere = url.replace("/exec/", "/attach/");
    assertThatThrownBy(() -> new SpdyClient(URI.create(elsewhere), "v4.channel.k8s.io", false))
        .hasMessageContaining("404");
    try (CommandClient client = CommandClient.open(CommandClient.Protocol.SPDY, url, ALL)) {
      assertThat(client.exitCode()).isZero();
    }
    assertThatThrownBy(() -> new SpdyClient(URI.create(url), "v4.channel.k8s.io", false))
        .hasMessageContaining("404");
  }

  @Test
  void aProtocolThatIsNotKnownIsRefused() {
    assertThatThrownBy(
            () -> new SpdyClient(URI.create(streams.url("true", ALL)), "v9.channel.k8s.io", false))
        .hasMessageContaining("403");
  }
}
