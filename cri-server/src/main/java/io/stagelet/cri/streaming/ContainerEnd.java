package io.stagelet.cri.streaming;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.channel.IoEventLoop;
import io.stagelet.journal.OutputTap;
import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.Descriptors;
import io.stagelet.linux.PseudoTerminal;
import io.stagelet.linux.StageletException;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.OptionalInt;
import java.util.Queue;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A running container for a client that attaches to it: it hears what the container writes from now
 * on, from the relay, and writes into the container's input. Its end does not end the container,
 * and however slowly its client reads, the container and its log go on: a client that is too far
 * behind is cut off.
 */
public final class ContainerEnd implements HostEnd {
  private static final Logger LOG = LoggerFactory.getLogger(ContainerEnd.class);

  /** So far may a client be behind, in bytes. */
  private static final int MOST_BEHIND = 4 << 20;

  /** Makes the relay tell; may block. */
  @FunctionalInterface
  public interface Tapper {
    /** As {@link io.stagelet.journal.Relay#tap}, for this container. */
    AutoCloseable tap(OutputTap tap);
  }

  /**
   * What a client asked for.
   *
   * @param id the container's id
   * @param once whether the container's input ends with the first client that has it
   */
  public record Wish(
      String id, boolean stdin, boolean stdout, boolean stderr, boolean terminal, boolean once) {}

  private record Chunk(Output output, ByteBuf bytes) {}

  private record Attached(AutoCloseable hearing, OptionalInt input) {}

  private final IoEventLoop loop;
  private final Executor blocking;
  private final Tapper tapper;
  private final ContainerInputs inputs;
  private final Wish wish;
  private final InputQueue input = new InputQueue(this::consumed);
  private final Queue<Chunk> backlog = new ArrayDeque<>();
  private final AtomicInteger behind = new AtomicInteger();
  private @Nullable ClientEnd client;
  private @Nullable Attached attached;
  private @Nullable LoopDescriptor writer;
  private int columns;
  private int rows;
  private boolean outputEnded;
  private boolean finished;

  /**
   * A session with a container.
   *
   * @param loop the session's
   * @param blocking runs what may block
   */
  public ContainerEnd(
      IoEventLoop loop, Executor blocking, Tapper tapper, ContainerInputs inputs, Wish wish) {
    this.loop = loop;
    this.blocking = blocking;
    this.tapper = tapper;
    this.inputs = inputs;
    this.wish = wish;
  }

  @Override
  public void start(ClientEnd clientEnd) {
    client = clientEnd;
    blocking.execute(() -> {
      try {
        AutoCloseable hearing = tapper.tap(new Tap());
        OptionalInt fd =
            wish.stdin() || wish.terminal() ? inputs.duplicate(wish.id()) : OptionalInt.empty();
        loop.execute(() -> attached(new Attached(hearing, fd)));
      } catch (RuntimeException failure) {
        if (!(failure instanceof StageletException)) {
          StoryEvent.STREAM_FAILED
              .on(LOG)
              .setCause(failure)
              .log("an attach failed: {}", StageletException.reason(failure));
        }
        loop.execute(() -> finish(new Ending.Failed(StageletException.reason(failure))));
      }
    });
  }

  private void attached(Attached all) {
    attached = all;
    if (all.input().isPresent()) {
      if (finished) {
        Descriptors.close(all.input().getAsInt());
      } else {
        LoopDescriptor descriptor =
            new LoopDescriptor(all.input().getAsInt(), () -> {}, input::drain);
        writer = descriptor;
        descriptor.register(loop);
        applySize();
        if (wish.stdin()) {
          input.open(descriptor);
        }
      }
    }
    if (all.input().isEmpty() || !wish.stdin()) {
      input.drop();
    }
    if (finished) {
      release();
    }
  }

  /** On the relay's thread: what it hears is handed to the loop, and counted. */
  private final class Tap implements OutputTap {
    private boolean cutOff;

    @Override
    public void output(boolean errors, ByteBuffer bytes) {
      Output output = errors ? Output.STDERR : Output.STDOUT;
      int count = bytes.remaining();
      if (cutOff || !(errors ? wish.stderr() : wish.stdout())) {
        return;
      }
      if (behind.addAndGet(count) > MOST_BEHIND) {
        cutOff = true;
        loop.execute(ContainerEnd.this::cutOff);
        return;
      }
      ByteBuf copy = PooledByteBufAllocator.DEFAULT.directBuffer(count).writeBytes(bytes);
      loop.execute(() -> heard(new Chunk(output, copy)));
    }

    @Override
    public void ended() {
      loop.execute(() -> {
        outputEnded = true;
        deliver();
      });
    }
  }

  private void cutOff() {
    blocking.execute(() ->
        StoryEvent.STREAM_CUT_OFF
            .on(LOG)
            .log(
                "a client attached to container {} is more than {} MiB behind its output, and is cut off; the container goes on",
                wish.id(),
                MOST_BEHIND >> 20));
    finish(
        new Ending.Failed(
            "this client is more than %d MiB behind the container's output and is detached; the container goes on, and its log has all"
                .formatted(MOST_BEHIND >> 20)));
  }

  private void heard(Chunk chunk) {
    if (finished) {
      chunk.bytes().release();
    } else {
      backlog.add(chunk);
      deliver();
    }
  }

  private void deliver() {
    while (!finished && !backlog.isEmpty() && client().takesOutputNow()) {
      Chunk chunk = backlog.remove();
      behind.addAndGet(-chunk.bytes().readableBytes());
      client().output(chunk.output(), chunk.bytes());
    }
    if (outputEnded && backlog.isEmpty()) {
      finish(new Ending.Exited(0));
    }
  }

  @Override
  public void input(ByteBuf bytes) {
    input.add(bytes);
  }

  @Override
  public void inputEnded() {
    input.end(this::endInput);
  }

  private void endInput() {
    LoopDescriptor descriptor = writer;
    if (descriptor != null && !wish.terminal()) {
      descriptor.close();
      writer = null;
    }
    if (wish.once() && wish.stdin()) {
      blocking.execute(() -> inputs.end(wish.id()));
    }
  }

  @Override
  public void resize(int newColumns, int newRows) {
    columns = newColumns;
    rows = newRows;
    applySize();
  }

  private void applySize() {
    LoopDescriptor master = writer;
    if (wish.terminal() && columns > 0 && master != null) {
      PseudoTerminal.resize(master.number(), columns, rows);
    }
  }

  @Override
  public void clientTakesOutput() {
    deliver();
  }

  @Override
  public void clientGone() {
    finish(new Ending.Exited(0));
  }

  private void finish(Ending ending) {
    if (finished) {
      return;
    }
    finished = true;
    input.drop();
    if (client != null && wish.once() && wish.stdin() && !outputEnded) {
      blocking.execute(() -> inputs.end(wish.id()));
    }
    backlog.forEach(chunk -> chunk.bytes().release());
    backlog.clear();
    release();
    if (client != null) {
      client.finish(ending);
    }
  }

  private void release() {
    if (writer != null) {
      writer.close();
      writer = null;
    }
    Attached all = attached;
    if (all != null) {
      attached = null;
      blocking.execute(() -> {
        try {
          all.hearing().close();
        } catch (Exception failure) {
          LOG.debug("the relay has ended before a client", failure);
        }
      });
    }
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
