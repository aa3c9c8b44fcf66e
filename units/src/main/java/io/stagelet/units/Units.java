package io.stagelet.units;

import io.stagelet.linux.Command;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The units of the machine's systemd, over one shared connection to the system bus.
 *
 * <p>A job (a start, a stop) costs one call, and its end comes by a signal; nothing is polled. When
 * the bus is lost, the connection is made again with a growing pause, jobs that were awaited are
 * looked up, and listeners are told ({@link UnitEvent.Reconnected}). A call that was under way then
 * fails with {@code UNAVAILABLE}, unless it only reads: such a call is made again. A call that
 * comes while the bus is away waits for it, up to ten seconds.
 *
 * <p>All methods may be called from any thread, and throw {@link StageletException}: {@code
 * UNAVAILABLE} without a bus, {@code CANCELLED} when the calling thread is interrupted, and what
 * systemd's own errors stand for otherwise.
 */
public final class Units implements AutoCloseable {
  /** Where the system bus listens. */
  public static final Path SYSTEM_BUS = Path.of("/run/dbus/system_bus_socket");

  /** What the names of Stagelet's own units start with. */
  public static final List<String> OWN_PREFIXES = List.of("pod-", "ctr-");

  /** A listener that is registered; closing it ends that. */
  @FunctionalInterface
  public interface Listening extends AutoCloseable {
    @Override
    void close();
  }

  private static final String MANAGER_PATH = "/org/freedesktop/systemd1";
  private static final String MANAGER = "org.freedesktop.systemd1.Manager";
  private static final String UNIT = "org.freedesktop.systemd1.Unit";
  private static final String UNIT_PATH = "/org/freedesktop/systemd1/unit/";
  private static final String MACHINED = "org.freedesktop.machine1";
  private static final String DONE = "done";
  private static final Duration BUS_PATIENCE = Duration.ofSeconds(10);
  private static final Duration FIRST_PAUSE = Duration.ofMillis(20);
  private static final Duration PATIENCE_OF_NUDGE = Duration.ofMillis(500);
  private static final Duration LONGEST_PAUSE = Duration.ofSeconds(5);
  private static final Logger LOG = LoggerFactory.getLogger(Units.class);

  private final LongAdder calls = new LongAdder();
  private final Path socket;
  private final boolean direct;
  private final Set<PendingJob> jobs = ConcurrentHashMap.newKeySet();
  private final UnitEvents events = new UnitEvents(unit -> status(unit).isPresent());

  // guarded by this: the connection, or the promise of one
  private CompletableFuture<Bus> bus;
  private boolean closed;

  private Units(Path socket, boolean direct) {
    this.socket = socket;
    this.direct = direct;
    this.bus = new CompletableFuture<>();
  }

  /**
   * Connects to the bus. The first connection of a Java machine takes over half a second: connect
   * early.
   *
   * @param socket the bus's socket, such as {@link #SYSTEM_BUS}
   * @throws StageletException {@code UNAVAILABLE} when there is no bus, or no systemd on it
   */
  public static Units connect(Path socket) {
    return connect(socket, false);
  }

  /**
   * Connects to a systemd of its own, without a bus in between: one in a machine, say, where there
   * is none.
   *
   * @param socket where that systemd listens: its {@code /run/systemd/private}
   * @throws StageletException {@code UNAVAILABLE} when it does not
   */
  public static Units connectDirectly(Path socket) {
    return connect(socket, true);
  }

  private static Units connect(Path socket, boolean direct) {
    Units units = new Units(socket, direct);
    units.adopt(units.open());
    return units;
  }

  /** The same, at {@link #SYSTEM_BUS}. */
  public static Units connect() {
    return connect(SYSTEM_BUS);
  }

  /**
   * Makes a unit and starts it; returns when systemd says that it is started.
   *
   * <p>When that fails, the unit may be left behind as failed ({@link #resetFailed} forgets it);
   * when it takes too long, the job goes on ({@link #stop} ends it).
   *
   * @param timeout how long to wait; the unit has its own limit as well ({@code timeoutStart})
   * @throws UnitException when it does not start, with the reason: the job's result and the unit's
   *     status
   * @throws StageletException {@code ALREADY_EXISTS} when there is a unit of that name, {@code
   *     INVALID_ARGUMENT} when systemd refuses a property
   */
  public void start(TransientUnit unit, Duration timeout) {
    PendingJob job = new PendingJob(unit.name(), true);
    run(
        job,
        timeout,
        "StartTransientUnit",
        "ssa(sv)a(sa(sv))",
        unit.name().value(),
        "fail",
        Wire.encode(unit.properties()),
        List.of());
  }

  /**
   * Stops a unit; returns when it is down. One that systemd does not know is fine.
   *
   * @param timeout how long to wait; the job goes on after that
   * @throws UnitException when it is not down then, or the stop was cancelled by somebody's start
   */
  public void stop(UnitName unit, Duration timeout) {
    try {
      run(new PendingJob(unit, false), timeout, "StopUnit", "ss", unit.value(), "replace");
    } catch (BusException failure) {
      ignoreNoSuchUnit(failure);
    }
  }

  /**
   * Sends a signal to processes of a unit.
   *
   * @param signal its number
   * @throws StageletException {@code NOT_FOUND} when systemd does not know the unit
   */
  public void kill(UnitName unit, KillWho who, int signal) {
    manager(connected(), "KillUnit", "ssi", unit.value(), who.word(), signal);
  }

  /**
   * Makes systemd forget that a unit failed, and then the unit itself. One that it does not know is
   * fine.
   */
  public void resetFailed(UnitName unit) {
    try {
      manager(connected(), "ResetFailedUnit", "s", unit.value());
    } catch (BusException failure) {
      ignoreNoSuchUnit(failure);
    }
  }

  /**
   * Changes properties of a unit that runs, all or none; what is not named stays as it is.
   *
   * @throws StageletException {@code NOT_FOUND} when there is no such unit, {@code
   *     INVALID_ARGUMENT} when one of the properties cannot be changed or has a wrong value
   */
  public void setProperties(UnitName unit, List<UnitProperty> properties) {
    if (!properties.isEmpty()) {
      manager(
          connected(), "SetUnitProperties", "sba(sv)", unit.value(), true, Wire.encode(properties));
    }
  }

  /** What systemd knows of a unit, in one round trip; empty when it knows none of that name. */
  public Optional<UnitStatus> status(UnitName unit) {
    UnitStatus status = reading(from -> Reading.of(from, unit)).status();
    return status.loadState() == LoadState.NOT_FOUND ? Optional.empty() : Optional.of(status);
  }

  /**
   * The loaded units whose names match.
   *
   * @param patterns as {@code glob(7)} has them, such as {@code ctr-*.service}; none for all units
   */
  public List<UnitSummary> list(List<String> patterns) {
    Object[] reply =
        reading(from -> manager(from, "ListUnitsByPatterns", "asas", List.of(), patterns));
    List<UnitSummary> summaries = new ArrayList<>();
    for (Object each : (List<?>) reply[0]) {
      Object[] unit = (Object[]) each;
      summaries.add(
          new UnitSummary(
              UnitName.of((String) unit[0]),
              (String) unit[1],
              LoadState.of((String) unit[2]),
              ActiveState.of((String) unit[3]),
              (String) unit[4]));
    }
    return List.copyOf(summaries);
  }

  /**
   * Makes a machine known to systemd-machined, which forgets it when its unit ends. From version
   * 258 on it takes whoever calls for the machine's supervisor, and ends that with the machine:
   * therefore a process of its own calls.
   *
   * @param name what {@code machinectl} calls it
   * @param id the 128 bits of its {@code machine-id}
   * @param service who runs it
   * @param leader its first process
   * @param root where its root directory is on this host
   * @throws StageletException when systemd-machined is not there or refuses
   */
  public void registerMachine(String name, byte[] id, String service, int leader, Path root) {
    List<String> command =
        new ArrayList<>(
            List.of(
                "busctl",
                "--quiet",
                "call",
                MACHINED,
                "/org/freedesktop/machine1",
                "org.freedesktop.machine1.Manager",
                "RegisterMachine",
                "sayssus",
                name,
                String.valueOf(id.length)));
    for (byte part : id) {
      command.add(String.valueOf(Byte.toUnsignedInt(part)));
    }
    command.addAll(List.of(service, "container", String.valueOf(leader), root.toString()));
    var _ = Command.of(command).withDeadline(BUS_PATIENCE).runChecked();
  }

  /** How many calls have been made over D-Bus. */
  public long calls() {
    return calls.sum();
  }

  /** The version of systemd. */
  public SystemdVersion version() {
    Object[] reply =
        reading(from ->
            from.callSystemd(MANAGER_PATH, Bus.PROPERTIES, "Get", "ss", MANAGER, "Version"));
    return SystemdVersion.parse(
        reply[0] instanceof org.freedesktop.dbus.types.Variant<?> version
            ? (String) version.getValue()
            : "");
  }

  /** Tells {@code listener} what becomes of the units with {@link #OWN_PREFIXES}, from now on. */
  public Listening listen(UnitListener listener) {
    return listen(OWN_PREFIXES, listener);
  }

  /**
   * Tells {@code listener} what becomes of units, from now on: what they are now is to be read
   * after this call.
   *
   * @param namePrefixes what the names of those units start with, one or another
   */
  public Listening listen(List<String> namePrefixes, UnitListener listener) {
    return events.add(namePrefixes, listener);
  }

  /** Disconnects; calls and jobs that are awaited fail. Units stay as they are. */
  @Override
  public void close() {
    CompletableFuture<Bus> last;
    synchronized (this) {
      if (closed) {
        return;
      }
      closed = true;
      last = bus;
    }
    events.close();
    StageletException reason = closedAlready();
    last.completeExceptionally(reason);
    jobs.forEach(job -> job.result().completeExceptionally(reason));
    if (!last.isCompletedExceptionally()) {
      last.join().close();
    }
  }

  // ---- jobs

  private void run(
      PendingJob job, Duration timeout, String method, String signature, Object... arguments) {
    // known before the call: the signal of the job's end can overtake the reply that names the job
    jobs.add(job);
    try {
      Object[] reply = manager(connected(), method, signature, arguments);
      job.isCalled(Wire.path(reply[0]));
      String result = job.result().get(timeout.toMillis(), TimeUnit.MILLISECONDS);
      if (!result.equals(DONE)) {
        throw ended(job, result);
      }
    } catch (TimeoutException failure) {
      throw tookTooLong(job, timeout);
    } catch (ExecutionException failure) {
      throw failure.getCause() instanceof StageletException known ? known : closedAlready();
    } catch (InterruptedException failure) {
      Thread.currentThread().interrupt();
      throw new StageletException(
          ErrorCode.CANCELLED,
          "waiting for the %s of %s was given up: its caller went away"
              .formatted(verb(job), job.unit()),
          failure);
    } finally {
      jobs.remove(job);
    }
  }

  private UnitException ended(PendingJob job, String result) {
    @Nullable UnitStatus status = status(job.unit()).orElse(null);
    ErrorCode code =
        switch (result) {
          case "canceled" -> ErrorCode.CANCELLED;
          case "timeout" -> ErrorCode.DEADLINE_EXCEEDED;
          case "dependency",
              "skipped",
              "assert",
              "invalid",
              "unsupported",
              "once",
              "frozen",
              "concurrency" ->
              ErrorCode.FAILED_PRECONDITION;
          default -> ErrorCode.INTERNAL;
        };
    return new UnitException(
        code,
        "the %s of %s ended as '%s'%s; see: journalctl -u %s"
            .formatted(verb(job), job.unit(), result, describe(status), job.unit()),
        job.unit(),
        result,
        status);
  }

  private UnitException tookTooLong(PendingJob job, Duration timeout) {
    @Nullable UnitStatus status = status(job.unit()).orElse(null);
    return new UnitException(
        ErrorCode.DEADLINE_EXCEEDED,
        "the %s of %s was not through within %s%s; see: systemctl status %s"
            .formatted(verb(job), job.unit(), timeout, describe(status), job.unit()),
        job.unit(),
        UnitException.STILL_RUNNING,
        status);
  }

  private static String verb(PendingJob job) {
    return job.starts() ? "start" : "stop";
  }

  private static String describe(@Nullable UnitStatus status) {
    return status == null
        ? ""
        : " (%s/%s, %s)"
            .formatted(status.activeState().word(), status.subState(), status.main().describe());
  }

  /** What became of a job whose end may have been told while the bus was away. */
  private void lookUp(Bus from, PendingJob job) {
    String path = job.path();
    if (path == null) {
      return; // its call has failed or is not sent yet
    }
    Reading now = Reading.of(from, job.unit());
    if (now.jobPath().equals(path)) {
      return; // it goes on, and its end will be told
    }
    ActiveState state = now.status().activeState();
    boolean good =
        job.starts()
            ? state != ActiveState.FAILED
            : state == ActiveState.INACTIVE || state == ActiveState.FAILED;
    job.result().complete(good ? DONE : "failed");
  }

  // ---- the bus

  /** The connection; waits for it when it is being made again. */
  private Bus connected() {
    CompletableFuture<Bus> current;
    synchronized (this) {
      if (closed) {
        throw closedAlready();
      }
      current = bus;
    }
    try {
      return current.get(BUS_PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException failure) {
      throw new StageletException(
          ErrorCode.UNAVAILABLE,
          "there has been no connection to the bus at %s for %d s; is dbus.service running?"
              .formatted(socket, BUS_PATIENCE.toSeconds()),
          failure);
    } catch (ExecutionException failure) {
      throw closedAlready();
    } catch (InterruptedException failure) {
      Thread.currentThread().interrupt();
      throw new StageletException(
          ErrorCode.CANCELLED, "waiting for the bus was given up: its caller went away", failure);
    }
  }

  private <T> T reading(Function<Bus, T> read) {
    Bus first = connected();
    try {
      return read.apply(first);
    } catch (StageletException failure) {
      if (!first.isLost()) {
        throw failure;
      }
      return read.apply(connected());
    }
  }

  private static Object[] manager(Bus to, String method, String signature, Object... arguments) {
    return to.callSystemd(MANAGER_PATH, MANAGER, method, signature, arguments);
  }

  /**
   * A unit's status, and the path of its job ("/" for none).
   *
   * <p>Asked for in three calls that are sent at once. All properties of a unit would be one call,
   * and would make systemd look at its unit files each time, which takes it longer than all else
   * together. The state is read before the main process: an end that comes in between is then seen
   * early rather than without its exit code.
   */
  private record Reading(UnitStatus status, String jobPath) {
    static Reading of(Bus from, UnitName unit) {
      String path = UNIT_PATH + unit.busLabel();
      Bus.Reply listed =
          from.sendToSystemd(
              MANAGER_PATH, MANAGER, "ListUnitsByNames", "as", List.of(unit.value()));
      Bus.Reply invocation =
          from.sendToSystemd(path, Bus.PROPERTIES, "Get", "ss", UNIT, "InvocationID");
      Bus.Reply ofItsType =
          from.sendToSystemd(path, Bus.PROPERTIES, "GetAll", "s", typeInterface(unit));
      Object[] summary = (Object[]) ((List<?>) listed.await()[0]).getFirst();
      LoadState loadState = LoadState.of((String) summary[2]);
      boolean absent = loadState == LoadState.NOT_FOUND;
      Map<?, ?> properties = absent ? Map.of() : (Map<?, ?>) ofItsType.await()[0];
      return new Reading(
          new UnitStatus(
              unit,
              (String) summary[1],
              loadState,
              ActiveState.of((String) summary[3]),
              (String) summary[4],
              Wire.mainProcess(properties),
              Wire.text(properties, "ControlGroup"),
              absent ? "" : Wire.hexadecimal(invocation.await()[0])),
          Wire.path(summary[9]));
    }

    private static String typeInterface(UnitName unit) {
      String suffix = unit.suffix();
      return Bus.SYSTEMD + "." + Character.toUpperCase(suffix.charAt(0)) + suffix.substring(1);
    }
  }

  /** A new connection, with its signals. */
  private Bus open() {
    Bus opened = new Bus(socket, direct, this::lost, calls);
    try {
      listenTo(opened);
      Bus.Reply subscribed = opened.sendToSystemd(MANAGER_PATH, MANAGER, "Subscribe", "");
      if (direct) {
        Thread.ofVirtual().name("first-message").start(() -> nudge(opened));
      }
      subscribed.await();
    } catch (StageletException failure) {
      opened.close();
      throw failure;
    }
    return opened;
  }

  /**
   * A systemd that is spoken to without a bus sometimes leaves the first message unread until a
   * second one comes.
   */
  private static void nudge(Bus opened) {
    try {
      for (Duration pause : List.of(FIRST_PAUSE, FIRST_PAUSE.multipliedBy(5), PATIENCE_OF_NUDGE)) {
        Thread.sleep(pause);
        if (!opened.isLost()) {
          // nobody waits for its answer
          var _ = opened.sendToSystemd(MANAGER_PATH, "org.freedesktop.DBus.Peer", "Ping", "");
        }
      }
    } catch (InterruptedException nobodyDoes) {
      Thread.currentThread().interrupt();
    }
  }

  private void listenTo(Bus opened) {
    opened.onSignal(
        opened.signalOf(MANAGER, "JobRemoved").withPath(MANAGER_PATH).build(),
        (path, arguments) ->
            jobRemoved(Wire.path(arguments[1]), (String) arguments[2], (String) arguments[3]));
    opened.onSignal(
        opened.signalOf(MANAGER, "UnitRemoved").withPath(MANAGER_PATH).build(),
        (path, arguments) -> events.removed(label(Wire.path(arguments[1]))));
    opened.onSignal(
        opened.signalOf(MANAGER, "Reloading").withPath(MANAGER_PATH).build(),
        (path, arguments) -> events.reloading((Boolean) arguments[0]));
    opened.onSignal(
        opened
            .signalOf(Bus.PROPERTIES, "PropertiesChanged")
            .withPathNamespace("/org/freedesktop/systemd1/unit")
            .build(),
        (path, arguments) ->
            events.propertiesChanged(label(path), (String) arguments[0], (Map<?, ?>) arguments[1]));
  }

  private static String label(String path) {
    return path.substring(path.lastIndexOf('/') + 1);
  }

  private void jobRemoved(String path, String unit, String result) {
    for (PendingJob job : jobs) {
      if (job.unit().value().equals(unit)) {
        job.ended(path, result);
      }
    }
  }

  private void adopt(Bus opened) {
    CompletableFuture<Bus> promised;
    boolean unwanted;
    synchronized (this) {
      promised = bus;
      unwanted = closed;
    }
    if (unwanted || !promised.complete(opened)) {
      opened.close();
    } else if (opened.isLost()) {
      lost(opened);
    }
  }

  /**
   * Called on any thread, at most twice for one connection; nothing to do for one not yet {@link
   * #adopt adopted}.
   */
  private void lost(Bus gone) {
    synchronized (this) {
      if (closed || !bus.isDone() || bus.isCompletedExceptionally() || bus.join() != gone) {
        return;
      }
      bus = new CompletableFuture<>();
    }
    events.disconnected();
    Thread.ofVirtual().name("bus-reconnect").start(() -> reconnect(gone));
  }

  private void reconnect(Bus gone) {
    UnitsEvent.BUS_LOST
        .on(LOG)
        .log("the connection to systemd at {} is lost; making it again", socket);
    gone.close();
    Bus opened = openUntilItWorks();
    if (opened == null) {
      return;
    }
    adopt(opened);
    for (PendingJob job : jobs) {
      try {
        lookUp(opened, job);
      } catch (StageletException failure) {
        if (opened.isLost()) {
          return; // lost again: whoever makes the next connection looks again
        }
        UnitsEvent.NEWS_UNREAD
            .on(LOG)
            .setCause(failure)
            .log("could not read what became of the {} of {}", verb(job), job.unit());
      }
    }
    UnitsEvent.BUS_BACK.on(LOG).log("the connection to systemd at {} is back", socket);
    events.reconnected();
  }

  /** A new connection, however long that takes; null when this was closed meanwhile. */
  private @Nullable Bus openUntilItWorks() {
    Duration pause = FIRST_PAUSE;
    while (true) {
      synchronized (this) {
        if (closed) {
          return null;
        }
      }
      try {
        return open();
      } catch (StageletException failure) {
        LOG.debug("no bus at {} yet", socket, failure);
      }
      try {
        Thread.sleep(pause);
      } catch (InterruptedException nobodyDoes) {
        Thread.currentThread().interrupt();
        return null;
      }
      Duration longer = pause.multipliedBy(2);
      pause = longer.compareTo(LONGEST_PAUSE) < 0 ? longer : LONGEST_PAUSE;
    }
  }

  private StageletException closedAlready() {
    return new StageletException(
        ErrorCode.UNAVAILABLE, "the connection to the bus at %s was closed".formatted(socket));
  }

  private static void ignoreNoSuchUnit(BusException failure) {
    if (!failure.error().equals(BusException.NO_SUCH_UNIT)) {
      throw failure;
    }
  }
}
