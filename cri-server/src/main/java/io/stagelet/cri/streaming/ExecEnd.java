package io.stagelet.cri.streaming;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.IoEventLoop;
import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.ChildProcess;
import io.stagelet.linux.CleanupStack;
import io.stagelet.linux.Command;
import io.stagelet.linux.ConsoleSocket;
import io.stagelet.linux.DescriptorCalls;
import io.stagelet.linux.Descriptors;
import io.stagelet.linux.Orphans;
import io.stagelet.linux.Pipe;
import io.stagelet.linux.PseudoTerminal;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.Stage1;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/**
 * A process that joins a container for a client. One process of the stage1 is started, and nothing
 * besides: its pipes, or its terminal, and its end are watched by the session's own loop. A command
 * that leaves its process ({@link Stage1.Exec#leavesProcess}) is followed by that.
 *
 * <pre>
 *   start: the stage1 is asked ─▶ started ─▶ its process ends ─▶ its outputs are read to their end ─▶ finish
 *                                    │                              a child that holds them open has a moment only
 *                                    └─ the client goes: all that was started is killed
 * </pre>
 */
public final class ExecEnd implements HostEnd {
  private static final Logger LOG = LoggerFactory.getLogger(ExecEnd.class);

  /** How long an output may stay open after the process's end. */
  private static final long LEFT_BEHIND_MILLIS = 200;

  /** How long a command may take to send its terminal when it has connected. */
  private static final Duration HAND_OVER = Duration.ofSeconds(5);

  /** Exit codes above tell the signal that ended a process. */
  private static final int BY_SIGNAL = 128;

  /** What ends the input of a terminal in its usual mode ({@code VEOF} of {@code termios(3)}). */
  private static final byte END_OF_INPUT = 4;

  /** Which streams a client asked for. */
  public record Wish(boolean stdin, boolean stdout, boolean stderr, boolean terminal) {}

  private record Size(int columns, int rows) {}

  /** What was started; the descriptors are not on the loop yet. */
  private record Started(
      Stage1.Exec exec,
      ChildProcess child,
      int input,
      Map<Output, Integer> outputs,
      Optional<ConsoleSocket> console) {}

  private final IoEventLoop loop;
  private final Executor blocking;
  private final Supplier<Stage1.Exec> opener;
  private final Wish wish;
  private final InputQueue input = new InputQueue(this::consumed);
  private final Map<Output, OutputPump> pumps = new EnumMap<>(Output.class);
  private final List<LoopDescriptor> descriptors = new ArrayList<>();
  private @Nullable ClientEnd client;
  private @Nullable Started started;
  private @Nullable LoopDescriptor terminal;

  /** Tells that the command hands its terminal over; until it has, or cannot any more. */
  private @Nullable LoopDescriptor terminalOffer;

  private boolean receiving;
  private @Nullable Size size;

  /** Whose end is awaited: the command's, or that of the process which it has left. */
  private @Nullable ChildProcess process;

  private @Nullable LoopDescriptor processEnd;

  /** Why what the command has left is not known. */
  private @Nullable String lost;

  private int outputsOpen;
  private OptionalInt exitCode = OptionalInt.empty();
  private boolean gone;
  private boolean finishing;

  /**
   * A process to be started.
   *
   * @param loop the session's
   * @param blocking runs what may block
   * @param opener asks the stage1 for it
   */
  public ExecEnd(IoEventLoop loop, Executor blocking, Supplier<Stage1.Exec> opener, Wish wish) {
    this.loop = loop;
    this.blocking = blocking;
    this.opener = opener;
    this.wish = wish;
  }

  @Override
  public void start(ClientEnd clientEnd) {
    client = clientEnd;
    if (!wish.stdin()) {
      input.drop();
    }
    blocking.execute(() -> {
      try {
        Stage1.Exec exec = opener.get();
        launch(exec);
      } catch (RuntimeException failure) {
        if (!(failure instanceof StageletException)) {
          StoryEvent.STREAM_FAILED
              .on(LOG)
              .setCause(failure)
              .log("an exec could not be started: {}", StageletException.reason(failure));
        }
        String reason = StageletException.reason(failure);
        loop.execute(() -> {
          input.drop();
          clientEnd.finish(new Ending.Failed(reason));
        });
      }
    });
  }

  private void launch(Stage1.Exec exec) {
    try (CleanupStack undo = new CleanupStack()) {
      undo.push("close the exec", exec::close);
      Started all =
          !wish.terminal()
              ? onPipes(exec)
              : exec.consoleSocket().isPresent()
                  ? onConsole(exec, exec.consoleSocket().get())
                  : onTerminal(exec);
      undo.keep();
      loop.execute(() -> started(all));
    }
  }

  private static Started onTerminal(Stage1.Exec exec) {
    Command command = exec.command();
    PseudoTerminal terminal = exec.terminal().orElseGet(PseudoTerminal::openRaw);
    Descriptors.setNonBlocking(terminal.master());
    try (CleanupStack undo = new CleanupStack()) {
      undo.push("close the terminal", () -> Descriptors.close(terminal.master()));
      ChildProcess child =
          ChildProcess.start(
              command.arguments(),
              command.environment(),
              new ChildProcess.Terminal(terminal.device()),
              exec.cgroup());
      undo.keep();
      return new Started(
          exec,
          child,
          terminal.master(),
          Map.of(Output.STDOUT, terminal.master()),
          Optional.empty());
    }
  }

  /** The terminal comes later, when there is a process on it. */
  private static Started onConsole(Stage1.Exec exec, Path path) {
    Command command = exec.command();
    try (CleanupStack nothings = new CleanupStack();
        CleanupStack undo = new CleanupStack()) {
      ConsoleSocket console = ConsoleSocket.at(path);
      undo.push("close a console socket", console::close);
      int nothing = new DescriptorCalls().open(Path.of("/dev/null"), DescriptorCalls.O_RDWR, 0);
      nothings.push("close /dev/null", () -> Descriptors.close(nothing));
      ChildProcess child =
          ChildProcess.start(
              command.arguments(),
              command.environment(),
              new ChildProcess.Three(nothing, nothing, nothing),
              exec.cgroup());
      undo.keep();
      return new Started(exec, child, -1, Map.of(), Optional.of(console));
    }
  }

  private Started onPipes(Stage1.Exec exec) {
    Command command = exec.command();
    try (CleanupStack theirs = new CleanupStack();
        CleanupStack undo = new CleanupStack()) {
      int nothing = new DescriptorCalls().open(Path.of("/dev/null"), DescriptorCalls.O_RDWR, 0);
      theirs.push("close /dev/null", () -> Descriptors.close(nothing));
      int inputEnd = -1;
      int in = nothing;
      if (wish.stdin()) {
        Pipe pipe = Pipe.open();
        in = pipe.readingEnd();
        inputEnd = pipe.writingEnd();
        share(pipe.readingEnd(), pipe.writingEnd(), theirs, undo);
      }
      Map<Output, Integer> outputs = new EnumMap<>(Output.class);
      Map<Output, Integer> given = new EnumMap<>(Output.class);
      for (Output output : Output.values()) {
        if (output == Output.STDOUT ? wish.stdout() : wish.stderr()) {
          Pipe pipe = Pipe.open();
          share(pipe.writingEnd(), pipe.readingEnd(), theirs, undo);
          given.put(output, pipe.writingEnd());
          outputs.put(output, pipe.readingEnd());
        }
      }
      ChildProcess child =
          ChildProcess.start(
              command.arguments(),
              command.environment(),
              new ChildProcess.Three(
                  in,
                  given.getOrDefault(Output.STDOUT, nothing),
                  given.getOrDefault(Output.STDERR, nothing)),
              exec.cgroup());
      undo.keep();
      return new Started(exec, child, inputEnd, outputs, Optional.empty());
    }
  }

  private static void share(int theirEnd, int ourEnd, CleanupStack theirs, CleanupStack undo) {
    theirs.push("close the process's end of a pipe", () -> Descriptors.close(theirEnd));
    undo.push("close our end of a pipe", () -> Descriptors.close(ourEnd));
    Descriptors.setNonBlocking(ourEnd);
  }

  private void started(Started all) {
    started = all;
    if (all.console().isPresent()) {
      ConsoleSocket console = all.console().get();
      LoopDescriptor offer =
          new LoopDescriptor(
              new DescriptorCalls().duplicate(console.number()), () -> receive(console), () -> {});
      terminalOffer = offer;
      offer.register(loop);
    } else if (wish.terminal()) {
      openTerminal(all.input());
    } else {
      if (all.input() >= 0) {
        LoopDescriptor pipe = new LoopDescriptor(all.input(), () -> {}, input::drain);
        descriptors.add(pipe);
        pipe.register(loop);
        input.open(pipe);
      }
      all.outputs()
          .forEach((output, fd) -> {
            LoopDescriptor pipe = new LoopDescriptor(fd, () -> pump(output), () -> {});
            add(output, pipe);
            pipe.register(loop);
          });
    }
    watch(all.child());
    if (gone) {
      killAll(all);
    }
  }

  private void openTerminal(int fd) {
    LoopDescriptor master = new LoopDescriptor(fd, () -> pump(Output.STDOUT), input::drain);
    terminal = master;
    add(Output.STDOUT, master);
    master.register(loop);
    applySize();
    input.open(master);
  }

  /** The command has connected, and what it sends follows at once. */
  private void receive(ConsoleSocket console) {
    LoopDescriptor offer = terminalOffer;
    if (offer == null || receiving) {
      return;
    }
    receiving = true;
    blocking.execute(() -> {
      try {
        int master = console.receive(HAND_OVER);
        Descriptors.setNonBlocking(master);
        loop.execute(() -> {
          openTerminal(master);
          terminalComesNoMore(offer);
        });
      } catch (RuntimeException failure) {
        StoryEvent.STREAM_FAILED
            .on(LOG, Level.WARN)
            .log(
                "the runtime did not hand over the terminal of an exec, which is ended: {}",
                StageletException.reason(failure));
        loop.execute(() -> {
          lost = StageletException.reason(failure);
          Started all = started;
          if (all != null) {
            killAll(all);
          }
          terminalComesNoMore(offer);
        });
      }
    });
  }

  private void terminalComesNoMore(LoopDescriptor offer) {
    offer.close();
    terminalOffer = null;
    receiving = false;
    if (exitCode.isPresent()) {
      lastCall();
    }
  }

  private void watch(ChildProcess child) {
    LoopDescriptor end = new LoopDescriptor(child.pidfd(), this::looksEnded, () -> {});
    process = child;
    processEnd = end;
    end.register(loop);
  }

  private void closeProcess() {
    if (processEnd != null) {
      processEnd.close();
    }
    process = null;
  }

  private void add(Output output, LoopDescriptor source) {
    descriptors.add(source);
    outputsOpen++;
    pumps.put(
        output,
        new OutputPump(
            loop,
            source,
            new OutputPump.Sink() {
              @Override
              public boolean hasRoom() {
                return gone || client().takesOutputNow();
              }

              @Override
              public void bytes(ByteBuf bytes) {
                if (gone) {
                  bytes.release();
                } else {
                  client().output(output, bytes);
                }
              }

              @Override
              public void ended() {
                outputsOpen--;
                finishWhenDone();
              }
            }));
  }

  private void pump(Output output) {
    OutputPump pump = pumps.get(output);
    if (pump != null) {
      pump.pump();
    }
  }

  private void looksEnded() {
    Started all = started;
    ChildProcess child = process;
    if (all == null || child == null) {
      return;
    }
    OptionalInt code = child.exitCode();
    if (code.isEmpty()) {
      return;
    }
    closeProcess();
    if (child == all.child() && all.exec().leavesProcess() && code.getAsInt() == 0) {
      takeOver(all);
    } else {
      ended(code.getAsInt());
    }
  }

  private void takeOver(Started all) {
    blocking.execute(() -> {
      try {
        ChildProcess left = all.exec().process();
        loop.execute(() -> watch(left));
      } catch (RuntimeException failure) {
        if (!(failure instanceof StageletException)) {
          StoryEvent.STREAM_FAILED
              .on(LOG)
              .setCause(failure)
              .log(
                  "the process that an exec has started was not found: {}",
                  StageletException.reason(failure));
        }
        loop.execute(() -> {
          lost = StageletException.reason(failure);
          killAll(all);
          ended(-1);
        });
      }
    });
  }

  private void ended(int code) {
    exitCode = OptionalInt.of(code);
    input.drop();
    if (gone) {
      lastCall();
    } else if (outputsOpen > 0 || terminalOffer != null) {
      var _ = loop.schedule(this::lastCall, LEFT_BEHIND_MILLIS, TimeUnit.MILLISECONDS);
    }
    finishWhenDone();
  }

  private void lastCall() {
    LoopDescriptor offer = terminalOffer;
    if (offer != null && !receiving) {
      // the command has ended before there was a terminal
      offer.close();
      terminalOffer = null;
    }
    List.copyOf(pumps.values()).forEach(OutputPump::lastCall);
    finishWhenDone();
  }

  private void finishWhenDone() {
    Started all = started;
    if (finishing
        || all == null
        || exitCode.isEmpty()
        || outputsOpen > 0
        || terminalOffer != null) {
      return;
    }
    finishing = true;
    input.drop();
    descriptors.forEach(LoopDescriptor::close);
    int code = exitCode.getAsInt();
    boolean killAgain = gone || lost != null;
    String reason = lost;
    blocking.execute(() -> {
      Ending closed = closed(all, code, killAgain);
      Ending ending = reason == null ? closed : new Ending.Failed(reason);
      loop.execute(() -> client().finish(ending));
    });
  }

  /** What was killed while it was being started may have come into its cgroup since. */
  private static Ending closed(Started all, int exitCode, boolean killAgain) {
    try (Stage1.Exec exec = all.exec()) {
      all.console().ifPresent(ConsoleSocket::close);
      if (killAgain) {
        exec.kill();
      }
      if (exitCode > BY_SIGNAL) {
        // a container's end kills the command together with its process
        exec.cgroup().ifPresent(Orphans::reap);
      }
      Optional<String> refusal = exitCode == 0 ? Optional.empty() : exec.refusal();
      return refusal.isPresent() ? new Ending.Failed(refusal.get()) : new Ending.Exited(exitCode);
    } catch (RuntimeException failure) {
      StoryEvent.EXEC_LEFT_OVER
          .on(LOG)
          .setCause(failure)
          .log("an exec was not cleaned up: {}", StageletException.reason(failure));
      return new Ending.Exited(exitCode);
    }
  }

  @Override
  public void input(ByteBuf bytes) {
    input.add(bytes);
  }

  @Override
  public void inputEnded() {
    if (wish.terminal()) {
      input.add(Unpooled.directBuffer(1).writeByte(END_OF_INPUT));
    } else {
      input.end(this::closeInput);
    }
  }

  private void closeInput() {
    Started all = started;
    if (all != null && !wish.terminal()) {
      descriptors.stream()
          .filter(descriptor -> descriptor.number() == all.input())
          .findFirst()
          .ifPresent(LoopDescriptor::close);
    }
  }

  @Override
  public void resize(int columns, int rows) {
    size = new Size(columns, rows);
    applySize();
  }

  private void applySize() {
    Size wanted = size;
    LoopDescriptor master = terminal;
    if (wanted != null && master != null && !finishing) {
      PseudoTerminal.resize(master.number(), wanted.columns(), wanted.rows());
    }
  }

  @Override
  public void clientTakesOutput() {
    List.copyOf(pumps.values()).forEach(OutputPump::pump);
  }

  @Override
  public void clientGone() {
    gone = true;
    input.drop();
    Started all = started;
    if (all != null && !finishing) {
      if (exitCode.isPresent()) {
        lastCall();
      } else {
        killAll(all);
        clientTakesOutput();
      }
    }
  }

  /** The command last: while it lives it reaps the process that it runs. */
  private void killAll(Started all) {
    blocking.execute(() -> {
      try {
        all.exec().kill();
      } catch (RuntimeException failure) {
        StoryEvent.EXEC_LEFT_OVER
            .on(LOG)
            .setCause(failure)
            .log("an exec was not killed: {}", StageletException.reason(failure));
      } finally {
        all.child().kill();
      }
    });
  }

  private void consumed(int bytes) {
    if (client != null) {
      client.inputConsumed(bytes);
    }
  }

  private ClientEnd client() {
    if (client == null) {
      throw new IllegalStateException("not started");
    }
    return client;
  }
}
