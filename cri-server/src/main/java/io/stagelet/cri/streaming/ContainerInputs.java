package io.stagelet.cri.streaming;

import io.stagelet.journal.DescriptorKeeper;
import io.stagelet.linux.CleanupStack;
import io.stagelet.linux.DescriptorCalls;
import io.stagelet.linux.Descriptors;
import io.stagelet.linux.Errno;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.Fifo;
import io.stagelet.linux.StageletException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * The inputs of running containers: the writing end of a FIFO, or a terminal's master. Each is held
 * open until the container ends, or until its one input has been given (stdin_once); the FIFO's end
 * is kept over a restart by systemd, the master is kept already, by the relay.
 *
 * <p>May be called from any thread.
 */
public final class ContainerInputs {
  private static final int FIFO_MODE = 0666;
  private static final byte END_OF_INPUT = 4;

  /**
   * An input.
   *
   * @param hold the FIFO's reading end, until the container has opened it itself; or -1
   */
  private record Input(int fd, int hold, boolean terminal) {}

  private final DescriptorKeeper keeper;
  private final Map<String, Input> inputs = new HashMap<>();

  /** Without any input. */
  public ContainerInputs(DescriptorKeeper keeper) {
    this.keeper = keeper;
  }

  /** Makes the FIFO of a container that is about to be started. */
  public synchronized void open(String id, Path fifo) {
    forget(id);
    DescriptorCalls calls = new DescriptorCalls();
    Fifo.make(fifo, FIFO_MODE, -1, -1);
    try (CleanupStack undo = new CleanupStack()) {
      // without a reader the other end cannot be opened; nobody waits for one that reads and writes
      int hold = Descriptors.openFifoForBoth(fifo);
      undo.push("close a FIFO", () -> calls.close(hold));
      int fd = calls.open(fifo, DescriptorCalls.O_WRONLY | DescriptorCalls.O_NONBLOCK, 0);
      undo.push("close a FIFO", () -> calls.close(fd));
      keeper.keep(name(id), fd);
      inputs.put(id, new Input(fd, hold, false));
      undo.keep();
    }
  }

  /** The container has opened its input itself. */
  public synchronized void started(String id) {
    Input input = inputs.get(id);
    if (input != null && input.hold() >= 0) {
      Descriptors.close(input.hold());
      inputs.put(id, new Input(input.fd(), -1, input.terminal()));
    }
  }

  /**
   * Notes the terminal of a container that is about to be started; the master stays the caller's.
   */
  public synchronized void openTerminal(String id, int master) {
    forget(id);
    inputs.put(id, new Input(new DescriptorCalls().duplicate(master), -1, true));
  }

  /**
   * Goes on with a container of an earlier process. One whose input was given up has none.
   *
   * @param inherited what systemd kept, by name; a terminal's master among it stays the caller's
   */
  public synchronized void adopt(String id, boolean terminal, Map<String, Integer> inherited) {
    Integer fd = inherited.get(terminal ? id + ".out" : name(id));
    if (fd != null && terminal) {
      openTerminal(id, fd);
    } else if (fd != null) {
      Descriptors.setCloseOnExec(fd);
      inputs.put(id, new Input(fd, -1, false));
    }
  }

  /** A descriptor of the container's input, for a session to own; absent when it has none. */
  public synchronized OptionalInt duplicate(String id) {
    Input input = inputs.get(id);
    return input == null
        ? OptionalInt.empty()
        : OptionalInt.of(new DescriptorCalls().duplicate(input.fd()));
  }

  /** The one input of the container has been given: it reads the end. */
  public synchronized void end(String id) {
    Input input = inputs.get(id);
    if (input == null) {
      return;
    }
    if (input.terminal()) {
      int written =
          new DescriptorCalls()
              .write(input.fd(), ByteBuffer.allocateDirect(1).put(END_OF_INPUT).flip());
      if (written < 0 && written != -Errno.EAGAIN && written != -Errno.EIO) {
        throw new StageletException(
            ErrorCode.INTERNAL,
            "could not end the input of container %s: error number %d".formatted(id, -written));
      }
    } else {
      forget(id);
    }
  }

  /** The container has ended; fine when it has no input. */
  public synchronized void forget(String id) {
    @Nullable Input input = inputs.remove(id);
    if (input == null) {
      return;
    }
    try (CleanupStack all = new CleanupStack()) {
      all.push("close an input", () -> Descriptors.close(input.fd()));
      if (input.hold() >= 0) {
        all.push("close an input's reader", () -> Descriptors.close(input.hold()));
      }
      if (!input.terminal()) {
        all.push("forget a kept input", () -> keeper.forget(name(id)));
      }
    }
  }

  private static String name(String id) {
    return id + ".in";
  }
}
