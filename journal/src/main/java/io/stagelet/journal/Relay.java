package io.stagelet.journal;

import io.stagelet.linux.CleanupStack;
import io.stagelet.linux.DescriptorCalls;
import io.stagelet.linux.Descriptors;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.Fifo;
import io.stagelet.linux.Pipe;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/**
 * Carries what containers write to the journal and to kubelet's log files. One thread serves all
 * containers; nothing is lost when a receiver stops or this program is killed (see {@link Spool}).
 *
 * <pre>
 *            open                      finish
 *   (none) ───────▶ carried ──────────────────────▶ (none)      discard: from anywhere to (none)
 *             adopt ▲   │ this program ends: FIFO ends in the keeper, progress in the spool
 *                   └───┘
 * </pre>
 *
 * <p>Of one container, {@link #open} or {@link #adopt} is called first and once. Calls for
 * different containers may come from any threads at the same time.
 */
public final class Relay implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Relay.class);

  private static final FileAttribute<Set<PosixFilePermission>> OWNER_ONLY =
      PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));

  /**
   * Anyone may open a container's FIFO by {@code /dev/stdout}: its processes change users. The
   * directory above lets nobody else come to it.
   */
  private static final int FIFO_MODE = 0666;

  private final DescriptorKeeper keeper;
  private final Path spoolDirectory;
  private final SentEntries sentEntries;
  private final RelayNotices notices;
  private final Workbench bench;
  private final RelayLoop loop;
  private final Map<String, ContainerRelay> containers = new ConcurrentHashMap<>();

  /**
   * A relay without containers.
   *
   * @param journal where it says what is wrong with itself; its own connection is another, to the
   *     same journald. Stays the caller's, and is closed after the relay
   * @param keeper keeps the FIFOs' reading ends while this program is not there
   * @param spoolDirectory on a file system that lives as long as the machine runs, such as {@code
   *     /run}; made where it is missing
   * @param clock gives the lines their timestamps
   * @param namespace the journal that the containers' output goes to; absent for the system's own
   */
  public Relay(
      Journal journal,
      DescriptorKeeper keeper,
      Path spoolDirectory,
      Clock clock,
      Optional<JournalNamespace> namespace) {
    this(
        journal,
        namespace.map(JournalNamespace::socket).orElse(journal.path()),
        keeper,
        spoolDirectory,
        clock,
        new JournalctlSentEntries(namespace),
        FollowerBell.directoryOfThisMachine());
  }

  Relay(
      Journal journal,
      Path outputSocket,
      DescriptorKeeper keeper,
      Path spoolDirectory,
      Clock clock,
      SentEntries sentEntries,
      Optional<Path> watchedByFollowers) {
    this.keeper = keeper;
    this.spoolDirectory = spoolDirectory;
    this.sentEntries = sentEntries;
    makeDirectory(spoolDirectory);
    this.notices = new RelayNotices(journal);
    this.bench = Workbench.at(new JournalSocket(outputSocket), clock, Steps.UNHEARD);
    JournalSocket socket = bench.socket();
    this.loop =
        new RelayLoop(
            bench, notices, new FollowerBell(watchedByFollowers, clock, socket::onTheWay));
  }

  /**
   * Makes the FIFOs of a new container and begins to read them. Afterwards the container may be
   * started, with the FIFOs as its standard output and error.
   *
   * @throws StageletException {@code ALREADY_EXISTS} when this container is carried already; others
   *     when the FIFOs or the log file could not be made. Nothing is left then
   */
  public void open(ContainerOutput output) {
    refuseKnown(output);
    try (CleanupStack undo = new CleanupStack()) {
      LogFile log = output.logFile().map(LogFile::new).orElse(null);
      if (log != null) {
        log.reopen();
        undo.push("close the log file", log::close);
      }
      List<StreamRelay> streams = new ArrayList<>();
      for (StreamKind kind : StreamKind.values()) {
        Path path = output.fifo(kind);
        makeFifo(path);
        undo.push("delete the FIFO " + path, () -> Files.deleteIfExists(path));
        int fifo = Fifo.openForReading(path);
        undo.push("close the FIFO " + path, () -> new DescriptorCalls().close(fifo));
        Path spoolFile = spoolFile(output, kind);
        Spool spool = Spool.create(spoolFile);
        undo.push("delete the spool " + spoolFile, spool::delete);
        String name = kind.nameFor(output.id());
        undo.push("forget the descriptor " + name, () -> keeper.forget(name));
        keeper.keep(name, fifo);
        streams.add(
            new StreamRelay(
                kind,
                false,
                fifo,
                spool,
                log,
                new StreamEntries(output, kind),
                bench,
                output.policy()));
      }
      begin(new ContainerRelay(output, log, streams));
      undo.keep();
    }
  }

  /**
   * Begins to read the terminal of a new container.
   *
   * @param master belongs to the relay from now on, also after a failure
   * @throws StageletException as {@link #open} does
   */
  public void openTerminal(ContainerOutput output, int master) {
    try (CleanupStack undo = new CleanupStack()) {
      undo.push("close the terminal", () -> new DescriptorCalls().close(master));
      refuseKnown(output);
      Descriptors.setNonBlocking(master);
      LogFile log = output.logFile().map(LogFile::new).orElse(null);
      if (log != null) {
        log.reopen();
        undo.push("close the log file", log::close);
      }
      StreamKind kind = StreamKind.STDOUT;
      Path spoolFile = spoolFile(output, kind);
      makeDirectory(spoolDirectory);
      Spool spool = Spool.create(spoolFile);
      undo.push("delete the spool " + spoolFile, spool::delete);
      String name = kind.nameFor(output.id());
      undo.push("forget the descriptor " + name, () -> keeper.forget(name));
      keeper.keep(name, master);
      StreamRelay stream =
          new StreamRelay(
              kind,
              true,
              master,
              spool,
              log,
              new StreamEntries(output, kind),
              bench,
              output.policy());
      begin(new ContainerRelay(output, log, List.of(stream)));
      undo.keep();
    }
  }

  /**
   * Lets somebody hear what a container writes from now on, at the moment it is read.
   *
   * @return ends it; may be closed from any thread
   * @throws StageletException {@code NOT_FOUND} when the container is not carried
   */
  public AutoCloseable tap(String id, OutputTap tap) {
    ContainerRelay container = containers.get(id);
    if (container == null) {
      throw new StageletException(
          ErrorCode.NOT_FOUND,
          "the output of container %s cannot be heard: it is not carried; has it ended?"
              .formatted(id));
    }
    loop.call(() -> {
      container.tap(tap);
      return true;
    });
    return () ->
        loop.call(() -> {
          container.untap(tap);
          return true;
        });
  }

  /**
   * Goes on with a container that an earlier process carried, from where that one stopped; also
   * when the container has ended meanwhile.
   *
   * @param inherited the descriptors that the keeper gave back, by their names; those of this
   *     container belong to the relay from now on. Where one is missing, its FIFO is opened anew,
   *     or made
   * @throws StageletException {@code ALREADY_EXISTS} when this container is carried already; others
   *     when the FIFOs or spools could not be opened: then the inherited descriptors are closed,
   *     what was read stays in the spools
   */
  public void adopt(ContainerOutput output, Map<String, Integer> inherited) {
    refuseKnown(output);
    try (CleanupStack undo = new CleanupStack()) {
      Map<StreamKind, Integer> fifos = new EnumMap<>(StreamKind.class);
      for (StreamKind kind : output.kinds()) {
        Integer fifo = inherited.get(kind.nameFor(output.id()));
        if (fifo != null) {
          fifos.put(kind, fifo);
          undo.push("close an inherited FIFO", () -> new DescriptorCalls().close(fifo));
          // systemd hands descriptors over for this process, not for those that it starts
          Descriptors.setCloseOnExec(fifo);
        }
      }
      LogFile log = output.logFile().map(LogFile::new).orElse(null);
      List<StreamRelay> streams = new ArrayList<>();
      for (StreamKind kind : output.kinds()) {
        Integer fifo = fifos.get(kind);
        if (fifo == null) {
          int opened = output.terminal() ? endedPipe() : openedAnew(output.fifo(kind));
          undo.push("close a stream opened anew", () -> new DescriptorCalls().close(opened));
          keeper.keep(kind.nameFor(output.id()), opened);
          fifo = opened;
        }
        Spool spool = Spool.open(spoolFile(output, kind));
        undo.push("close the spool", spool::close);
        StreamRelay stream =
            new StreamRelay(
                kind,
                output.terminal() && fifos.containsKey(kind),
                fifo,
                spool,
                log,
                new StreamEntries(output, kind),
                bench,
                output.policy());
        if (stream.entryInDoubt()) {
          stream.settleEntry(lastSequence(output, kind));
        }
        streams.add(stream);
      }
      begin(new ContainerRelay(output, log, streams));
      undo.keep();
    }
  }

  /**
   * Lines that come after this are in a file newly opened at the log path. Nothing is done for a
   * container without log file.
   *
   * @throws StageletException {@code NOT_FOUND} when the container is not carried; others when the
   *     file could not be opened: then lines still go to the old one
   */
  public void reopenLog(String id) {
    ContainerRelay container = containers.get(id);
    if (container == null) {
      throw new StageletException(
          ErrorCode.NOT_FOUND,
          "the log file of container %s was not opened anew: its output is not carried; has it ended?"
              .formatted(id));
    }
    loop.call(() -> {
      container.reopenLog();
      return true;
    });
  }

  /**
   * Ends the relay of a container whose unit has ended: waits until all it wrote was delivered,
   * then deletes its FIFOs and spools. A last line without line feed is delivered as it is.
   *
   * @param grace how long to wait for writers that are left (a process that the container started
   *     elsewhere) and for receivers that take nothing. When it is over, what was written until
   *     then is delivered still, in the background where a receiver takes nothing
   * @return whether all writers had gone and everything was delivered; true as well for a container
   *     that is not carried
   * @throws StageletException {@code CANCELLED} when the caller was interrupted: the relay ends all
   *     the same
   */
  public boolean finish(String id, Duration grace) {
    ContainerRelay container = containers.get(id);
    if (container == null) {
      return true;
    }
    boolean first =
        loop.call(() -> {
          boolean news = !container.finishing();
          if (news) {
            loop.finish(container, grace);
          }
          return news;
        });
    if (first) {
      container
          .released()
          .thenRunAsync(() -> forget(container), Thread::startVirtualThread)
          .exceptionally(failure -> {
            StoryEvent.RELAY_FAILED
                .on(LOG, Level.WARN)
                .setCause(failure)
                .log("could not clean up after the output of container {}", id);
            return null;
          });
    }
    ContainerRelay.End end = RelayLoop.await(container.end());
    if (end != ContainerRelay.End.UNDELIVERED) {
      RelayLoop.await(container.forgotten());
    }
    return end == ContainerRelay.End.COMPLETE;
  }

  /** Drops a container's output with what was not delivered, its FIFOs and spools. */
  public void discard(String id) {
    ContainerRelay container = containers.get(id);
    if (container == null) {
      return;
    }
    loop.call(() -> {
      loop.discard(container);
      return true;
    });
    forget(container);
  }

  /** What was carried so far. */
  public RelayCounters counters() {
    return bench.tally().counters();
  }

  private void begin(ContainerRelay container) {
    String id = container.output().id();
    if (containers.putIfAbsent(id, container) != null) {
      throw known(container.output());
    }
    try {
      loop.call(() -> {
        loop.add(container);
        return true;
      });
    } catch (RuntimeException failure) {
      containers.remove(id, container);
      throw failure;
    }
  }

  private void forget(ContainerRelay container) {
    ContainerOutput output = container.output();
    if (!containers.remove(output.id(), container)) {
      return;
    }
    try (CleanupStack all = new CleanupStack()) {
      for (StreamKind kind : output.kinds()) {
        Path path = output.fifo(kind);
        all.push("delete the FIFO " + path, () -> Files.deleteIfExists(path));
        String name = kind.nameFor(output.id());
        all.push("forget the descriptor " + name, () -> keeper.forget(name));
      }
    } finally {
      container.forgotten().complete(null);
    }
  }

  private OptionalInt lastSequence(ContainerOutput output, StreamKind kind) {
    try {
      return sentEntries.lastSequence(output.id(), kind.label());
    } catch (StageletException failure) {
      // rather a line twice than a line lost
      StoryEvent.ENTRY_IN_DOUBT
          .on(LOG)
          .setCause(failure)
          .log(
              "could not ask the journal for the last entry of container {}; one entry may come twice",
              output.id());
      return OptionalInt.empty();
    }
  }

  private Path spoolFile(ContainerOutput output, StreamKind kind) {
    return spoolDirectory.resolve(kind.nameFor(output.id()));
  }

  private void refuseKnown(ContainerOutput output) {
    if (containers.containsKey(output.id())) {
      throw known(output);
    }
  }

  private static StageletException known(ContainerOutput output) {
    return new StageletException(
        ErrorCode.ALREADY_EXISTS,
        "the output of container %s is carried already".formatted(output.id()));
  }

  private static int openedAnew(Path fifo) {
    makeFifo(fifo);
    return Fifo.openForReading(fifo);
  }

  /** A terminal ends with its master: who has lost that hears nothing more of it. */
  private static int endedPipe() {
    Pipe pipe = Pipe.open();
    new DescriptorCalls().close(pipe.writingEnd());
    return pipe.readingEnd();
  }

  private static void makeFifo(Path path) {
    @Nullable Path directory = path.toAbsolutePath().getParent();
    if (directory != null) {
      makeDirectory(directory);
    }
    Fifo.make(path, FIFO_MODE, -1, -1);
  }

  private static void makeDirectory(Path directory) {
    try {
      // what is above it is not only for its owner: OCI runtimes go through as users of pods
      @Nullable Path above = directory.toAbsolutePath().getParent();
      if (above != null) {
        Files.createDirectories(above);
      }
      Files.createDirectories(directory, OWNER_ONLY);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not make the directory %s: %s"
              .formatted(directory, StageletException.reason(failure)),
          failure);
    }
  }

  /**
   * Stops carrying. What was read and not delivered is in the spools, for the relay that {@link
   * #adopt}s.
   */
  @Override
  public void close() {
    try (notices) {
      loop.close();
    }
  }
}
