package io.stagelet.cri;

import io.grpc.ServerInterceptor;
import io.stagelet.cri.control.ControlServer;
import io.stagelet.cri.measure.Measures;
import io.stagelet.cri.streaming.ContainerInputs;
import io.stagelet.cri.streaming.StreamingServer;
import io.stagelet.cri.trace.OtlpExporter;
import io.stagelet.cri.trace.Traces;
import io.stagelet.journal.DescriptorKeeper;
import io.stagelet.journal.Journal;
import io.stagelet.journal.JournalLoggers;
import io.stagelet.journal.JournalNamespace;
import io.stagelet.journal.JournalProbe;
import io.stagelet.journal.Relay;
import io.stagelet.journal.Story;
import io.stagelet.linux.CleanupStack;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.KernelFile;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.ImageService;
import io.stagelet.stage0.ImageSettings;
import io.stagelet.stage0.Registries;
import io.stagelet.stage0.RegistryFiles;
import io.stagelet.stage0.spi.Faults;
import io.stagelet.stage0.spi.Stage1Host;
import io.stagelet.stage0.spi.Stage1Provider;
import io.stagelet.units.InheritedDescriptor;
import io.stagelet.units.SdNotify;
import io.stagelet.units.SocketActivation;
import io.stagelet.units.Units;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The whole server: puts its parts together, and takes them apart in reverse. */
final class CriServer implements AutoCloseable {
  private final CleanupStack parts = new CleanupStack();

  /** What stagelet.socket calls its descriptor. */
  private static final String SOCKET = "cri";

  private static final Duration PATIENCE_WITH_JOURNALD = Duration.ofSeconds(2);

  /** How long spans wait for others to be sent with. */
  private static final Duration TRACES_GATHERED = Duration.ofSeconds(2);

  private final SdNotify systemd;
  private final Optional<Duration> watchdogInterval;
  private final Path socket;
  private final Listener listener;

  /**
   * Starts it: everything is recovered before the first call is answered.
   *
   * @param units the connection to systemd, which the server closes
   * @param environment this process's, for what systemd hands over
   * @throws StageletException when a part cannot be started; those that were are stopped then
   */
  CriServer(
      Ahead<Units> units,
      LiveConfiguration configuration,
      String version,
      Map<String, String> environment) {
    this.systemd = new SdNotify(Optional.ofNullable(environment.get("NOTIFY_SOCKET")));
    this.watchdogInterval =
        SdNotify.watchdogInterval(
            Optional.ofNullable(environment.get("WATCHDOG_USEC")),
            Optional.ofNullable(environment.get("WATCHDOG_PID")),
            ProcessHandle.current().pid());
    this.socket = configuration.now().socket();
    boolean started = false;
    try {
      this.listener = start(units, configuration, version, environment);
      started = true;
    } finally {
      if (!started) {
        parts.close();
      }
    }
  }

  private Listener start(
      Ahead<Units> connection,
      LiveConfiguration live,
      String version,
      Map<String, String> environment) {
    part("the connection to systemd", connection);
    Configuration configuration = live.now();
    Faults faults = Faults.of(environment);
    // these wait for other programs, and for a disk
    Ahead<Handlers> opened =
        part(
            "the handlers",
            Ahead.of(
                "the handlers",
                () ->
                    new Handlers(
                        configuration,
                        ServiceLoader.load(Stage1Provider.class),
                        host(connection.get(), faults))));
    Records records =
        new Records(configuration.root(), configuration.runDirectory().resolve("records"));
    Ahead<Records.All> recorded = Ahead.of("the records", records::all);
    Clock clock = Clock.systemUTC();
    SecureRandom random = new SecureRandom();
    Optional<OtlpExporter> exporter =
        configuration
            .traces()
            .map(traces -> part("the traces", exporter(traces.endpoint(), version)));
    Traces traces =
        exporter
            .map(sink ->
                new Traces(
                    sink,
                    configuration.traces().map(Configuration.Tracing::perMillion).orElse(0),
                    clock,
                    random))
            .orElseGet(Traces::none);
    Measures measures = new Measures(traces);
    RegistryOutcomes registries = new RegistryOutcomes(clock);
    Map<String, Integer> descriptors =
        SocketActivation.take(environment, ProcessHandle.current().pid()).stream()
            .collect(
                Collectors.toMap(
                    InheritedDescriptor::name, InheritedDescriptor::fd, (first, _) -> first));
    Journal journal = part("the connection to the journal", Journal.open(Journal.SOCKET));
    configuration.output().journalNamespace().ifPresent(JournalNamespace::open);
    Relay relay =
        part(
            "the relay",
            new Relay(
                journal,
                keeper(),
                configuration.runDirectory().resolve("relay"),
                clock,
                configuration.output().journalNamespace()));
    ContainerInputs inputs = new ContainerInputs(keeper());
    StreamingServer streams =
        part("the streaming server", new StreamingServer(configuration.streaming(), clock, random));
    Path store = configuration.root().resolve("images");
    ImageService images =
        part(
            "the image service",
            new ImageService(
                store,
                ImageSettings.defaults()
                    .withPinned(configuration.pinnedImages())
                    .withCarried(Story::carried)
                    .withParallel(
                        configuration.pulls().parallelLayers(),
                        configuration.pulls().parallelRanges()),
                Registries.of(
                    RegistryFiles.system(environment),
                    () -> Set.copyOf(live.now().insecureRegistries()),
                    environment),
                clock));
    Units units = connection.get();
    Handlers handlers = opened.get();
    Pods pods = new Pods();
    Ids ids = new Ids(random);
    SandboxFiles files = new SandboxFiles(records);
    Cni cni = cni(configuration, clock, faults);
    CniWatch networks =
        part("the watch of CNI configurations", new CniWatch(cni.directories(), cni::changed));
    PodRanges podRanges = new PodRanges(configuration.root().resolve("pod-ranges.json"));
    LifeEvents events = new LifeEvents(pods, clock);
    Statistics statistics = part("the statistics", new Statistics(pods, records, clock));
    Selinux selinux = new Selinux(Path.of("/sys/fs/selinux"), Path.of("/etc/selinux"), random);
    AppArmor appArmor = new AppArmor();
    appArmor.loadDefaultProfile();
    ContainerLifecycle containers =
        new ContainerLifecycle(
            live,
            pods,
            records,
            images,
            images.rootFilesystems(),
            relay,
            inputs,
            new ContainerPlanner(
                new Capabilities(capabilityBound()),
                new SeccompDefault(machine()),
                appArmor,
                new CdiDevices(CdiDevices.DIRECTORIES),
                () -> BlockIoClasses.in(live.now().blockIo())),
            selinux,
            files,
            ids,
            clock,
            events,
            measures,
            faults);
    SandboxLifecycle sandboxes =
        new SandboxLifecycle(
            configuration,
            handlers,
            pods,
            records,
            files,
            cni,
            podRanges,
            selinux,
            containers,
            ids,
            clock,
            images.rootFilesystems().mapsIds(),
            events,
            measures,
            faults);
    Recovery recovery =
        new Recovery(
            handlers,
            pods,
            records,
            sandboxes,
            containers,
            relay,
            inputs,
            new Inspection(configuration, handlers, records, cni),
            cni,
            measures,
            keeper());
    // listening comes first: what changes while the recovery reads is then looked at again
    recovery.listen().forEach(listening -> part("hearing of units", listening));
    recovery.run(recorded.get(), descriptors);
    Listener listening =
        new Listener(
            configuration.socket(),
            inheritedSocket(descriptors),
            watchers(pods, measures, exporter.map(_ -> new CallTraces(traces))),
            List.of(
                new RuntimeRpc(
                    version,
                    handlers,
                    pods,
                    sandboxes,
                    containers,
                    new ExecSync(streams),
                    new Streaming(streams, relay, inputs),
                    relay,
                    cni,
                    podRanges,
                    statistics,
                    events),
                new ImageRpc(images, store, clock, registries, measures)));
    part("the listener", listening);
    // before the listener, which waits for the calls that are under way
    part("the events", events);
    ControlPages pages =
        new ControlPages(
            version,
            new Health(
                units,
                handlers,
                cni,
                registries,
                relay,
                new JournalProbe(JournalProbe.SOCKET, PATIENCE_WITH_JOURNALD),
                configuration.root()),
            handlers,
            pods,
            records,
            statistics,
            images,
            relay,
            units,
            measures,
            new LiveMending(pods, records, handlers, sandboxes, containers),
            new Removal(pods, sandboxes, containers),
            exporter,
            configuration.root(),
            clock);
    part(
        "the control socket",
        ControlServer.on(configuration.runDirectory().resolve("control.sock"), pages::local));
    configuration
        .metricsAddress()
        .ifPresent(address -> part("the metrics", ControlServer.on(address, pages::remote)));
    live.onReload(next -> {
      JournalLoggers.use(next.log());
      cni.use(next.cniConfigurationDirectory(), next.cniBinaryDirectories());
      networks.use(cni.directories());
      images.pin(next.pinnedImages());
      handlers.use(next);
    });
    part("reloads", new Reloads(live, systemd, Thread.ofVirtual().name("reload").factory()));
    return listening;
  }

  /**
   * The last hears of a call first: the call's story is around its trace, and its time around all.
   */
  private static List<ServerInterceptor> watchers(
      Pods pods, Measures measures, Optional<CallTraces> traces) {
    return Stream.concat(
            traces.stream(), Stream.of(new CallStory(pods), new CallTimes(measures.calls())))
        .toList();
  }

  private static OtlpExporter exporter(URI endpoint, String version) {
    return new OtlpExporter(
        endpoint,
        Map.of("service.name", "stagelet", "service.version", version, "host.name", hostName()),
        TRACES_GATHERED);
  }

  private static String hostName() {
    try {
      return KernelFile.text(Path.of("/proc/sys/kernel/hostname")).strip();
    } catch (IOException unknown) {
      return "";
    }
  }

  /** The socket that systemd listens on for this service; the descriptor store has others. */
  private static OptionalInt inheritedSocket(Map<String, Integer> descriptors) {
    Integer fd = descriptors.get(SOCKET);
    return fd == null ? OptionalInt.empty() : OptionalInt.of(fd);
  }

  /** Serves until it is closed. */
  void serve() throws InterruptedException {
    systemd.ready();
    systemd.status("Serving CRI");
    watchdogInterval.ifPresent(
        interval -> part("the watchdog", new Watchdog(socket, systemd, interval)));
    listener.awaitEnd();
  }

  @Override
  public void close() {
    systemd.stopping();
    parts.close();
  }

  /** The networks of pods; a handler may have one of its own. */
  static Cni cni(Configuration configuration, Clock clock, Faults faults) {
    Map<String, Path> directories = new TreeMap<>();
    configuration
        .handlers()
        .forEach((name, handler) ->
            handler.network().ifPresent(directory -> directories.put(name, directory)));
    return new Cni(
        configuration.cniConfigurationDirectory(),
        directories,
        configuration.cniBinaryDirectories(),
        clock,
        faults);
  }

  private <T extends AutoCloseable> T part(String name, T part) {
    parts.push("stop " + name, part::close);
    return part;
  }

  private <T extends AutoCloseable> Ahead<T> part(String name, Ahead<T> part) {
    parts.push(
        "stop " + name,
        () -> {
          Optional<T> made = part.outcome();
          if (made.isPresent()) {
            made.get().close();
          }
        });
    return part;
  }

  private DescriptorKeeper keeper() {
    return new DescriptorKeeper() {
      @Override
      public void keep(String name, int fd) {
        systemd.store(name, fd);
      }

      @Override
      public void forget(String name) {
        systemd.removeStored(name);
      }
    };
  }

  static Stage1Host host(Units units, Faults faults) {
    return new Stage1Host() {
      @Override
      public <T> T shared(Class<T> type) {
        if (type.isInstance(units)) {
          return type.cast(units);
        }
        if (type.isInstance(faults)) {
          return type.cast(faults);
        }
        throw new StageletException(
            ErrorCode.UNIMPLEMENTED, "the server shares no " + type.getName());
      }
    };
  }

  /** As {@code uname -m} says it. */
  private static String machine() {
    String architecture = System.getProperty("os.arch", "");
    return architecture.equals("amd64") ? "x86_64" : architecture;
  }

  /**
   * What systemd itself may have and hand on, which is less than the kernel knows where systemd
   * runs in a container.
   */
  private static long capabilityBound() {
    Path file = Path.of("/proc/1/status");
    try {
      return KernelFile.text(file)
          .lines()
          .filter(line -> line.startsWith("CapBnd:"))
          .map(line -> Long.parseUnsignedLong(line.substring("CapBnd:".length()).strip(), 16))
          .findFirst()
          .orElseThrow(() -> new IOException("it has no line CapBnd"));
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not read %s: %s".formatted(file, StageletException.reason(failure)),
          failure);
    }
  }
}
