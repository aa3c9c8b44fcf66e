package io.stagelet.journal;

import io.stagelet.linux.CleanupStack;
import io.stagelet.linux.DescriptorCalls;
import io.stagelet.linux.Epoll;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one thread that owns all streams. It waits for FIFOs, pumps those that have something in
 * turn, one read each, and tries those again that a full receiver stopped: when the journal has
 * room, and each quarter of a second.
 *
 * <p>The FIFOs are watched edge-triggered: a FIFO whose last writer went reports a hang-up for as
 * long as there is no new one, which may come (each command of a unit opens it anew).
 */
final class RelayLoop implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(RelayLoop.class);

  private static final long RETRY_NANOS = Duration.ofMillis(250).toNanos();

  /** A journal that is behind for less is not worth a word. */
  private static final long NOTABLE_NANOS = Duration.ofSeconds(1).toNanos();

  private static final long JOURNAL = 0;

  /** A stream and its place in this loop. */
  private static final class Slot {
    private final ContainerRelay container;
    private final StreamRelay stream;
    private final long token;
    private boolean queued;
    private boolean removed;

    Slot(ContainerRelay container, StreamRelay stream, long token) {
      this.container = container;
      this.stream = stream;
      this.token = token;
    }
  }

  /** Something to be done by the thread, and who waits for it. */
  private record Call<T>(Supplier<T> command, CompletableFuture<T> answer) {
    void run() {
      try {
        answer.complete(command.get());
      } catch (RuntimeException failure) {
        answer.completeExceptionally(failure);
      }
    }
  }

  private final Workbench bench;
  private final RelayNotices notices;
  private final FollowerBell bell;
  private final Epoll epoll = new Epoll();
  private final DescriptorCalls descriptors = new DescriptorCalls();

  /** Guards the queue against calls that come after the thread's end. */
  private final ReentrantLock calling = new ReentrantLock();

  private final Queue<Call<?>> commands = new ConcurrentLinkedQueue<>();
  private boolean ended;
  private final Thread thread;
  private volatile boolean closing;

  // the rest is the thread's own
  private final Map<Long, Slot> slots = new HashMap<>();
  private final Queue<Slot> ready = new ArrayDeque<>();
  private final Set<Slot> stuck = new LinkedHashSet<>();
  private final Set<ContainerRelay> inGrace = new LinkedHashSet<>();
  private long lastToken = JOURNAL;
  private long retryAt;
  private boolean journalBehind;
  private long journalBehindSince;

  /** The connection that is watched for room, by its number; 0 for none. */
  private int watchedConnection;

  RelayLoop(Workbench bench, RelayNotices notices, FollowerBell bell) {
    this.bench = bench;
    this.notices = notices;
    this.bell = bell;
    this.thread = Thread.ofPlatform().name("relay").daemon().start(this::run);
  }

  /**
   * Runs something on the loop's thread, and waits for it.
   *
   * @throws StageletException {@code UNAVAILABLE} when the loop has ended, {@code CANCELLED} when
   *     the caller was interrupted; and what {@code command} throws
   */
  <T> T call(Supplier<T> command) {
    CompletableFuture<T> answer = new CompletableFuture<>();
    calling.lock();
    try {
      if (ended) {
        throw relayEnded();
      }
      commands.add(new Call<>(command, answer));
    } finally {
      calling.unlock();
    }
    epoll.wake();
    return await(answer);
  }

  /** Waits for an answer of the loop. */
  static <T> T await(CompletableFuture<T> answer) {
    try {
      return answer.get();
    } catch (ExecutionException failure) {
      Throwable cause = failure.getCause() == null ? failure : failure.getCause();
      if (cause instanceof StageletException known) {
        throw known;
      }
      throw new StageletException(
          ErrorCode.INTERNAL, "the relay failed: " + StageletException.reason(cause), cause);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new StageletException(
          ErrorCode.CANCELLED, "the wait for the relay was interrupted", interrupted);
    }
  }

  /** Begins to carry a container's output. */
  void add(ContainerRelay container) {
    try (CleanupStack undo = new CleanupStack()) {
      for (StreamRelay stream : container.streams()) {
        Slot slot = new Slot(container, stream, ++lastToken);
        epoll.add(stream.fifo(), Epoll.EPOLLIN | Epoll.EPOLLET, slot.token);
        slots.put(slot.token, slot);
        undo.push("watch a FIFO no more", () -> forget(slot));
        enqueue(slot);
      }
      undo.keep();
    }
  }

  /** Waits for the end of a container's output; {@link ContainerRelay#end} tells. */
  void finish(ContainerRelay container, Duration grace) {
    container.finish(System.nanoTime() + grace.toNanos());
    inGrace.add(container);
    slotsOf(container).forEach(this::enqueue);
  }

  /** Drops a container and what was not delivered of it. */
  void discard(ContainerRelay container) {
    remove(container, true);
    container.end().complete(ContainerRelay.End.UNDELIVERED);
  }

  private void run() {
    while (!closing) {
      try {
        round();
      } catch (RuntimeException failure) {
        // never the thread's end: all containers would stop with it
        StoryEvent.RELAY_FAILED
            .on(LOG)
            .setCause(failure)
            .log("the relay's thread failed in a round, and goes on");
        retryAt = System.nanoTime() + RETRY_NANOS;
      }
    }
    refuseCalls();
    for (ContainerRelay container : containers()) {
      container.end().completeExceptionally(relayEnded());
      remove(container, false);
    }
  }

  private void round() {
    epoll.await(timeoutMillis(), this::event);
    for (Call<?> call = commands.poll(); call != null; call = commands.poll()) {
      call.run();
    }
    // those that become ready in this round wait for the next, after new events
    for (int turns = ready.size(); turns > 0; turns--) {
      Slot slot = ready.remove();
      slot.queued = false;
      if (!slot.removed) {
        pump(slot);
      }
    }
    long now = System.nanoTime();
    if (!stuck.isEmpty() && now - retryAt >= 0) {
      retryStuck();
    }
    bell.ringWhenDue(now);
    for (ContainerRelay container : List.copyOf(inGrace)) {
      if (now - container.finishBy() >= 0) {
        endGrace(container);
      }
    }
  }

  private int timeoutMillis() {
    if (!ready.isEmpty() || !commands.isEmpty()) {
      return 0;
    }
    long now = System.nanoTime();
    long nanos = stuck.isEmpty() ? Long.MAX_VALUE : Math.max(0, retryAt - now);
    nanos = Math.min(nanos, bell.nanosUntilDue(now));
    for (ContainerRelay container : inGrace) {
      nanos = Math.min(nanos, Math.max(0, container.finishBy() - now));
    }
    return nanos == Long.MAX_VALUE ? -1 : (int) Math.min(60_000, nanos / 1_000_000 + 1);
  }

  private void event(long token, int events) {
    if (token == JOURNAL) {
      JournalSocket socket = bench.socket();
      if (socket.descriptor() >= 0 && watchedConnection == socket.connections()) {
        epoll.remove(socket.descriptor());
        watchedConnection = 0;
      }
      retryStuck();
      return;
    }
    Slot slot = slots.get(token);
    if (slot != null) {
      slot.stream.readable();
      enqueue(slot);
    }
  }

  private void pump(Slot slot) {
    ContainerRelay container = slot.container;
    stuck.remove(slot);
    int sent;
    try {
      if (!container.settle()) {
        stop(slot);
        return;
      }
      sent = slot.stream.pump();
    } catch (RuntimeException failure) {
      StoryEvent.RELAY_FAILED
          .on(LOG)
          .setCause(failure)
          .log(
              "could not carry the {} of container {}; tried again",
              slot.stream.kind().label(),
              container.output().id());
      stop(slot);
      return;
    }
    tellDrops(slot);
    if (sent > 0) {
      bell.sent(System.nanoTime());
    }
    if (slot.stream.journalStuck()) {
      noteJournalBehind();
      stop(slot);
    } else if (sent > 0) {
      noteJournalTakes();
    }
    if (slot.stream.stuckReason().isPresent()) {
      stop(slot);
    } else if (container.stuckReason().isEmpty()) {
      long waited = container.becomesFree(System.nanoTime());
      if (waited > 0) {
        notices.outputGoesOn(container.output(), Duration.ofNanos(waited));
      }
    }
    if (slot.stream.ready()) {
      enqueue(slot);
    }
    if (container.finished()) {
      end(container);
    }
  }

  private void tellDrops(Slot slot) {
    long journal = slot.stream.droppedForJournal();
    if (journal > 0) {
      notices.outputDropped(slot.container.output(), slot.stream.kind(), "the journal", journal);
    }
    long file = slot.stream.droppedForFile();
    if (file > 0) {
      notices.outputDropped(
          slot.container.output(), slot.stream.kind(), "kubelet's log file", file);
    }
  }

  private void stop(Slot slot) {
    if (stuck.isEmpty()) {
      retryAt = System.nanoTime() + RETRY_NANOS;
    }
    stuck.add(slot);
    ContainerRelay container = slot.container;
    container
        .stuckReason()
        .ifPresent(reason -> {
          if (container.becomesStuck(System.nanoTime())) {
            notices.outputWaits(container.output(), reason);
          }
        });
  }

  private void noteJournalBehind() {
    if (!journalBehind) {
      journalBehind = true;
      journalBehindSince = System.nanoTime();
    }
    JournalSocket socket = bench.socket();
    if (socket.descriptor() >= 0 && watchedConnection != socket.connections()) {
      // a connection that was watched before is closed, and so out of the set
      epoll.add(socket.descriptor(), Epoll.EPOLLOUT, JOURNAL);
      watchedConnection = socket.connections();
    }
  }

  private void noteJournalTakes() {
    if (journalBehind) {
      journalBehind = false;
      long waited = System.nanoTime() - journalBehindSince;
      if (waited >= NOTABLE_NANOS) {
        notices.journalWasBehind(Duration.ofNanos(waited));
      }
    }
  }

  private void retryStuck() {
    stuck.forEach(this::enqueue);
    stuck.clear();
  }

  private void enqueue(Slot slot) {
    if (!slot.queued && !slot.removed) {
      slot.queued = true;
      ready.add(slot);
    }
  }

  private void endGrace(ContainerRelay container) {
    inGrace.remove(container);
    container.abandon();
    for (Slot slot : slotsOf(container)) {
      // what is in the FIFO now is read; a writer that goes on is not followed without end
      do {
        pump(slot);
      } while (!slot.removed && !stuck.contains(slot) && slot.stream.ready());
    }
    if (!container.end().isDone()) {
      container.end().complete(ContainerRelay.End.UNDELIVERED);
    }
  }

  private void end(ContainerRelay container) {
    ContainerRelay.End how = container.howItEnded();
    remove(container, true);
    container.end().complete(how);
  }

  private void remove(ContainerRelay container, boolean delete) {
    inGrace.remove(container);
    for (Slot slot : slotsOf(container)) {
      forget(slot);
    }
    container.release(descriptors, delete);
  }

  private void forget(Slot slot) {
    slot.removed = true;
    slots.remove(slot.token);
    stuck.remove(slot);
    epoll.remove(slot.stream.fifo());
  }

  private List<Slot> slotsOf(ContainerRelay container) {
    return slots.values().stream().filter(slot -> slot.container == container).toList();
  }

  private Set<ContainerRelay> containers() {
    Set<ContainerRelay> all = new LinkedHashSet<>();
    slots.values().forEach(slot -> all.add(slot.container));
    return all;
  }

  private void refuseCalls() {
    calling.lock();
    try {
      ended = true;
      for (Call<?> call = commands.poll(); call != null; call = commands.poll()) {
        call.answer().completeExceptionally(relayEnded());
      }
    } finally {
      calling.unlock();
    }
  }

  private static StageletException relayEnded() {
    return new StageletException(
        ErrorCode.UNAVAILABLE,
        "the relay has ended; output waits in its FIFO and spool for the next one");
  }

  /** Stops the thread. Undelivered output stays in FIFOs and spools. */
  @Override
  public void close() {
    closing = true;
    epoll.wake();
    try (CleanupStack all = new CleanupStack()) {
      all.push("close the relay's journal socket", bench.socket()::close);
      all.push("close the relay's epoll set", epoll::close);
      all.push("stop the relay's thread", thread::join);
    }
  }
}
