package io.stagelet.cri;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.cri.command.ControlClient;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.Faults;
import io.stagelet.stage0.spi.Stage1Provider;
import io.stagelet.units.Units;
import java.io.IOException;
import java.io.PrintStream;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import picocli.CommandLine;

/**
 * The command {@code stagelet check}: compares the records, systemd's units, the mounts, the
 * network namespaces and the leases of CNI, says what does not fit together, and brings it in order
 * when it is asked to. It is the same inspection that the server makes when it starts.
 *
 * <p>While a server runs, things change as they are looked at: only what two looks find is told.
 */
@CommandLine.Command(
    name = "check",
    description = {
      "Say what is inconsistent on this node, and repair it on demand.",
      "The exit code is 0 when all is in order (again), and 1 when something is not."
    },
    mixinStandardHelpOptions = true)
final class CheckCommand implements Callable<Integer> {
  /** Longer than anything is half made. */
  private static final Duration BETWEEN_LOOKS = Duration.ofSeconds(3);

  /** How often more is looked for that a repair has uncovered. */
  private static final int UNCOVERED = 3;

  private static final ObjectMapper JSON = new ObjectMapper();

  @CommandLine.Option(
      names = "--config",
      paramLabel = "FILE",
      description = "The server's configuration (default: ${DEFAULT-VALUE}).")
  private Path config;

  @CommandLine.Option(
      names = "--repair",
      description =
          "Bring in order what can be: units, mounts and directories of nobody are removed, damaged records made good, records and systemd brought together, addresses freed. Nothing that kubelet knows to run is ended.")
  private boolean repair;

  @CommandLine.Option(
      names = "--end-broken",
      description =
          "Repair, and end what runs and cannot be made good: pods whose network or network namespace is not as it was made, containers whose root filesystem is gone. kubelet makes them anew.")
  private boolean endBroken;

  @CommandLine.Option(names = "--json", description = "Print one JSON object.")
  private boolean asJson;

  private final PrintStream out;

  CheckCommand(Path config, PrintStream out) {
    this.config = config;
    this.out = out;
  }

  /** What was found, and what became of it: an empty text when nothing was tried. */
  private record Result(Finding finding, String outcome) {
    boolean isRepaired() {
      return outcome.equals("repaired");
    }
  }

  @Override
  public Integer call() throws InterruptedException {
    Configuration configuration = ConfigurationReader.read(config);
    try (Units units = Units.connect();
        Handlers handlers =
            new Handlers(
                configuration,
                ServiceLoader.load(Stage1Provider.class),
                CriServer.host(units, Faults.none()))) {
      Cni cni = CriServer.cni(configuration, Clock.systemUTC(), Faults.none());
      Records records =
          new Records(configuration.root(), configuration.runDirectory().resolve("records"));
      Inspection inspection = new Inspection(configuration, handlers, records, cni);
      boolean served = isServed(configuration);
      Mending mending =
          served
              ? new AskedMending(
                  new ControlClient(configuration.runDirectory().resolve("control.sock")))
              : new OfflineMending(records, handlers, cni, Clock.systemUTC());
      Supplier<List<Finding>> look = () -> look(handlers, records, inspection, mending);
      List<Result> results = new ArrayList<>();
      for (Finding finding : served ? twice(look) : look.get()) {
        results.add(result(finding));
      }
      // what was repaired may uncover more: the addresses of a sandbox that is gone now
      for (int again = 0;
          again < UNCOVERED && results.stream().anyMatch(Result::isRepaired);
          again++) {
        List<Result> more =
            look.get().stream()
                .filter(this::isToBeRepaired)
                .filter(finding ->
                    results.stream().noneMatch(result -> result.finding().isSameAs(finding)))
                .map(this::result)
                .toList();
        if (more.isEmpty()) {
          break;
        }
        results.addAll(more);
      }
      if (asJson) {
        tellAsJson(results);
      } else {
        tell(results);
      }
      return results.stream().allMatch(Result::isRepaired) ? 0 : 1;
    }
  }

  /** Only what two looks find: things change as they are looked at. */
  private static List<Finding> twice(Supplier<List<Finding>> look) throws InterruptedException {
    List<Finding> before = look.get();
    if (before.isEmpty()) {
      return before;
    }
    Thread.sleep(BETWEEN_LOOKS);
    return look.get().stream()
        .filter(finding -> before.stream().anyMatch(finding::isSameAs))
        .toList();
  }

  private List<Finding> look(
      Handlers handlers, Records records, Inspection inspection, Mending mending) {
    Records.All recorded = records.all();
    List<Finding> findings = new ArrayList<>(inspection.damaged(recorded));
    List<SandboxRecord> sandboxRecords = with(recorded.sandboxes());
    List<ContainerRecord> containerRecords = with(recorded.containers());
    Map<String, Sandbox> sandboxes =
        sandboxRecords.stream()
            .map(record -> new Sandbox(record, handlers.ofExisting(record.handler())))
            .collect(Collectors.toMap(sandbox -> sandbox.id().value(), Function.identity()));
    List<Container> containers = new ArrayList<>();
    Set<String> ids = new HashSet<>(sandboxes.keySet());
    for (ContainerRecord record : containerRecords) {
      ids.add(record.plan().id().value());
      Sandbox sandbox = sandboxes.get(record.plan().sandbox().id().value());
      if (sandbox != null) {
        containers.add(new Container(record, sandbox));
      } else {
        findings.add(
            new Finding(
                Finding.Kind.STATE,
                "container " + record.plan().id(),
                "it is of no sandbox that is known; --repair removes it",
                () -> mending.settle(record.plan().id().value())));
      }
    }
    // those that cannot be read are known nevertheless
    records.loadSandboxes().damaged().forEach(damaged -> ids.add(damaged.id()));
    records.loadContainers().damaged().forEach(damaged -> ids.add(damaged.id()));
    Set<String> units = new HashSet<>();
    sandboxes.values().forEach(sandbox -> units.add(sandbox.unit()));
    containers.forEach(container -> units.add(container.unit()));
    handlers.all().stream()
        .flatMap(stage1 -> stage1.unknown(units).stream())
        .filter(unit -> ids.stream().anyMatch(id -> unit.contains(id.substring(0, 12))))
        .forEach(units::add);
    findings.addAll(inspection.nobodys(new Inspection.Known(units, ids)));
    findings.addAll(inspection.states(List.copyOf(sandboxes.values()), containers, mending));
    findings.addAll(inspection.networks(List.copyOf(sandboxes.values()), mending));
    return findings;
  }

  /** All records, with the good copies of those that cannot be read. */
  private static <T> List<T> with(Records.Loaded<T> loaded) {
    List<T> all = new ArrayList<>(loaded.records());
    loaded.damaged().forEach(damaged -> damaged.copy().ifPresent(all::add));
    return all;
  }

  private static boolean isServed(Configuration configuration) {
    try (SocketChannel socket = SocketChannel.open(StandardProtocolFamily.UNIX)) {
      return socket.connect(UnixDomainSocketAddress.of(configuration.socket()));
    } catch (IOException nobodyListens) {
      return false;
    }
  }

  private boolean isToBeRepaired(Finding finding) {
    return finding.repair().isPresent()
        && (finding.endsWhatRuns() ? endBroken : repair || endBroken);
  }

  private Result result(Finding finding) {
    if (!isToBeRepaired(finding)) {
      return new Result(finding, "");
    }
    try {
      finding.repair().ifPresent(Runnable::run);
      return new Result(finding, "repaired");
    } catch (StageletException failure) {
      return new Result(finding, "could not be repaired: " + StageletException.reason(failure));
    }
  }

  private void tell(List<Result> results) {
    for (Result result : results) {
      out.printf(
          "%s: %s: %s%s%n",
          result.finding().kind().word(),
          result.finding().subject(),
          result.finding().words(),
          result.outcome().isEmpty() ? "" : " [" + result.outcome() + "]");
    }
    Map<Boolean, Long> counts =
        results.stream()
            .collect(
                Collectors.groupingBy(Result::isRepaired, TreeMap::new, Collectors.counting()));
    long left = counts.getOrDefault(false, 0L);
    out.printf(
        "%s%s%n",
        left == 0 ? "all is in order" : "%d things are not in order".formatted(left),
        counts.containsKey(true) ? ", %d were repaired".formatted(counts.get(true)) : "");
  }

  private void tellAsJson(List<Result> results) {
    ObjectNode report = JSON.createObjectNode();
    report.put("consistent", results.stream().allMatch(Result::isRepaired));
    var findings = report.putArray("findings");
    for (Result result : results) {
      findings
          .addObject()
          .put("kind", result.finding().kind().word())
          .put("subject", result.finding().subject())
          .put("message", result.finding().words())
          .put("repairable", result.finding().repair().isPresent())
          .put("endsWhatRuns", result.finding().endsWhatRuns())
          .put("outcome", result.outcome());
    }
    try {
      out.println(JSON.writerWithDefaultPrettyPrinter().writeValueAsString(report));
    } catch (JsonProcessingException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "the report cannot be written as JSON: " + StageletException.reason(failure),
          failure);
    }
  }
}
