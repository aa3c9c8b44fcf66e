package io.stagelet.cri;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.cri.control.Pages.Answer;
import io.stagelet.cri.measure.Measures;
import io.stagelet.cri.measure.Metric;
import io.stagelet.cri.measure.MetricsText;
import io.stagelet.cri.measure.Timings;
import io.stagelet.cri.trace.OtlpExporter;
import io.stagelet.journal.Relay;
import io.stagelet.journal.RelayCounters;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.FilesystemSpace;
import io.stagelet.linux.KernelFile;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.ImageFsUsage;
import io.stagelet.stage0.ImageService;
import io.stagelet.stage0.PullCounters;
import io.stagelet.units.Units;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** What the server tells of itself by HTTP, as JSON and as metrics. */
final class ControlPages {
  /** What takes longer is told as stalled. */
  private static final double STALLED_SECONDS = 30;

  private static final double NANOS = 1e9;

  private final String version;
  private final Health health;
  private final Handlers handlers;
  private final Pods pods;
  private final Records records;
  private final Statistics statistics;
  private final ImageService images;
  private final Relay relay;
  private final Units units;
  private final Measures measures;
  private final Mending mending;
  private final Removal removal;
  private final Optional<OtlpExporter> traces;
  private final Path root;
  private final Instant begin;

  ControlPages(
      String version,
      Health health,
      Handlers handlers,
      Pods pods,
      Records records,
      Statistics statistics,
      ImageService images,
      Relay relay,
      Units units,
      Measures measures,
      Mending mending,
      Removal removal,
      Optional<OtlpExporter> traces,
      Path root,
      Clock clock) {
    this.version = version;
    this.health = health;
    this.handlers = handlers;
    this.pods = pods;
    this.records = records;
    this.statistics = statistics;
    this.images = images;
    this.relay = relay;
    this.units = units;
    this.measures = measures;
    this.mending = mending;
    this.removal = removal;
    this.traces = traces;
    this.root = root;
    this.begin = clock.instant();
  }

  /** For root on this machine. */
  Answer local(String method, String path) {
    return switch (method + " " + path) {
      case "GET /v1/status" -> Answer.json(status().toString());
      case "GET /v1/pods" -> Answer.json(pods().toString());
      case "GET /v1/containers" -> Answer.json(containers().toString());
      case "GET /v1/top" -> Answer.json(top().toString());
      case "POST /v1/remove-all-pods" -> Answer.json(removed(false).toString());
      case "POST /v1/remove-all-pods/now" -> Answer.json(removed(true).toString());
      case String asked when asked.startsWith("GET /v1/inspect/") ->
          inspect(path.substring("/v1/inspect/".length()));
      case String asked when asked.startsWith("POST /v1/settle/") ->
          mended(() -> mending.settle(path.substring("/v1/settle/".length())));
      case String asked when asked.startsWith("POST /v1/end/") ->
          mended(() -> mending.end(path.substring("/v1/end/".length())));
      case String _ -> remote(method, path);
    };
  }

  private static Answer mended(Runnable repair) {
    try {
      repair.run();
      return Answer.text(200, "done\n");
    } catch (StageletException failure) {
      return Answer.text(
          failure.code() == ErrorCode.NOT_FOUND ? 404 : 500,
          StageletException.reason(failure) + "\n");
    }
  }

  /** For anybody who reaches the address. */
  Answer remote(String method, String path) {
    return switch (method + " " + path) {
      case "GET /healthz" -> healthz();
      case "GET /metrics" -> new Answer(200, MetricsText.TYPE, metrics());
      case String _ -> Answer.text(404, "there are /healthz and /metrics\n");
    };
  }

  private Answer healthz() {
    List<String> broken =
        health.parts().stream()
            .filter(part -> part.needed() && !part.healthy())
            .map(part -> part.name() + ": " + part.problem().orElse(""))
            .toList();
    return broken.isEmpty()
        ? Answer.text(200, "ok\n")
        : Answer.text(503, String.join("\n", broken) + "\n");
  }

  private ObjectNode status() {
    ObjectNode status = new ObjectMapper().createObjectNode();
    List<Health.Part> parts = health.parts();
    status.put("version", version);
    status.put("since", begin.toString());
    status.put("healthy", parts.stream().allMatch(Health.Part::healthy));
    ArrayNode array = status.putArray("parts");
    for (Health.Part part : parts) {
      ObjectNode node = array.addObject().put("part", part.name()).put("healthy", part.healthy());
      part.problem()
          .ifPresent(problem -> node.put("problem", problem).put("remedy", part.remedy()));
    }
    ObjectNode handler = status.putObject("handlers");
    handlers.usable().keySet().forEach(name -> handler.put(name, "usable"));
    handlers.refused().forEach(handler::put);
    status.put("defaultHandler", handlers.defaultHandler());
    status.put("pods", pods.sandboxes().size());
    status.put("containers", pods.containers().size());
    ArrayNode stalled = status.putArray("stalled");
    for (Timings.Work work : measures.stages().underWay()) {
      if (work.seconds() > STALLED_SECONDS) {
        stalled
            .addObject()
            .put("operation", work.labels().getFirst())
            .put("stage", work.labels().getLast())
            .put("about", work.subject())
            .put("seconds", Math.round(work.seconds()));
      }
    }
    return status;
  }

  private ArrayNode pods() {
    ArrayNode array = new ObjectMapper().createArrayNode();
    for (Sandbox sandbox : pods.sandboxes()) {
      SandboxRecord record = sandbox.record();
      ObjectNode node =
          array
              .addObject()
              .put("id", sandbox.id().value())
              .put("namespace", sandbox.plan().namespace())
              .put("name", sandbox.plan().name())
              .put("uid", record.key().uid())
              .put("state", record.phase().name())
              .put("handler", record.handler())
              .put("unit", sandbox.unit())
              .put("created", record.createdAt().toString())
              .put("containers", pods.containersOf(sandbox).size());
      ArrayNode addresses = node.putArray("addresses");
      record.addresses().forEach(addresses::add);
    }
    return array;
  }

  private ArrayNode containers() {
    ArrayNode array = new ObjectMapper().createArrayNode();
    for (Container container : pods.containers()) {
      ContainerRecord record = container.record();
      ObjectNode node =
          array
              .addObject()
              .put("id", container.id().value())
              .put("name", container.plan().name())
              .put("namespace", container.sandbox().plan().namespace())
              .put("pod", container.sandbox().plan().name())
              .put("podId", container.sandbox().id().value())
              .put("image", record.image())
              .put("attempt", record.attempt())
              .put("unit", container.unit())
              .put("created", record.createdAt().toString());
      switch (record.life()) {
        case ContainerRecord.Created _ -> node.put("state", "CREATED");
        case ContainerRecord.Running running ->
            node.put("state", "RUNNING").put("started", running.startedAt().toString());
        case ContainerRecord.Exited exited ->
            node.put("state", "EXITED")
                .put("exitCode", exited.exitCode())
                .put("reason", exited.reason());
      }
    }
    return array;
  }

  private ArrayNode top() {
    ArrayNode array = new ObjectMapper().createArrayNode();
    for (Statistics.ContainerUse use :
        statistics.containers(record -> record.life() instanceof ContainerRecord.Running)) {
      ObjectNode node =
          array
              .addObject()
              .put("id", use.record().plan().id().value())
              .put("name", use.record().plan().name())
              .put("namespace", use.record().plan().sandbox().namespace())
              .put("pod", use.record().plan().sandbox().name())
              .put("milliCores", use.nanoCores() / 1_000_000)
              .put("cpuSeconds", use.usage().cpu().usageMicroseconds() / 1e6)
              .put("memory", use.usage().memory().workingSet())
              .put("processes", use.usage().tasks().current().orElse(0));
      use.usage().memory().limit().ifPresent(limit -> node.put("memoryLimit", limit));
    }
    return array;
  }

  private Answer inspect(String id) {
    ObjectMapper json = new ObjectMapper();
    Stream<JsonNode> found =
        Stream.concat(
            pods.sandboxes().stream()
                .filter(sandbox ->
                    names(id, sandbox.id().value(), sandbox.plan().name(), sandbox.unit()))
                .map(sandbox ->
                    json.createObjectNode()
                        .put("kind", "pod")
                        .put("unit", sandbox.unit())
                        .set("record", records.tree(sandbox.record()))),
            pods.containers().stream()
                .filter(container ->
                    names(id, container.id().value(), container.plan().name(), container.unit()))
                .map(container ->
                    json.createObjectNode()
                        .put("kind", "container")
                        .put("unit", container.unit())
                        .put("cgroup", container.stage1().cgroup(container.plan()).toString())
                        .set("record", records.tree(container.record()))));
    List<JsonNode> all = found.map(ControlPages::withoutEnvironment).toList();
    return all.isEmpty()
        ? Answer.text(404, "no pod or container is called '%s'%n".formatted(id))
        : Answer.json(json.createArrayNode().addAll(all).toString());
  }

  /** What is in the environment may be a secret. */
  private static JsonNode withoutEnvironment(JsonNode node) {
    if (node.at("/record/plan/process") instanceof ObjectNode process
        && process.has("environment")) {
      ArrayNode names = process.arrayNode();
      process
          .path("environment")
          .forEach(entry -> names.add(entry.asText().replaceFirst("=.*", "=…")));
      process.set("environment", names);
    }
    return node;
  }

  private static boolean names(String asked, String id, String name, String unit) {
    return !asked.isEmpty()
        && (id.startsWith(asked)
            || name.equals(asked)
            || unit.equals(asked)
            || unit.equals(asked + ".service"));
  }

  private ArrayNode removed(boolean atOnce) {
    ArrayNode removed = new ObjectMapper().createArrayNode();
    for (Removal.Outcome outcome : removal.all(atOnce)) {
      ObjectNode node = removed.addObject().put("pod", outcome.pod());
      outcome.problem().ifPresent(problem -> node.put("problem", problem));
    }
    return removed;
  }

  private String metrics() {
    MetricsText text = new MetricsText();
    text.add(Metric.BUILD_INFO, 1, version);
    measures.write(text);
    for (SandboxRecord.Phase phase : SandboxRecord.Phase.values()) {
      text.add(
          Metric.PODS,
          pods.sandboxes().stream().filter(one -> one.record().phase() == phase).count(),
          phase.name());
    }
    List<ContainerRecord.Life> lives =
        pods.containers().stream().map(one -> one.record().life()).toList();
    text.add(Metric.CONTAINERS, count(lives, ContainerRecord.Created.class), "CREATED");
    text.add(Metric.CONTAINERS, count(lives, ContainerRecord.Running.class), "RUNNING");
    text.add(Metric.CONTAINERS, count(lives, ContainerRecord.Exited.class), "EXITED");
    for (Health.Part part : health.parts()) {
      text.add(Metric.PART_HEALTHY, part.healthy() ? 1 : 0, part.name());
    }
    ImageFsUsage store = images.usage();
    text.add(Metric.STORE_BYTES, store.bytes());
    text.add(Metric.STORE_INODES, store.inodes());
    FilesystemSpace space = FilesystemSpace.of(root);
    text.add(Metric.DISK_BYTES, space.bytes(), "all");
    text.add(Metric.DISK_BYTES, space.freeBytes(), "free");
    text.add(Metric.DISK_INODES, space.inodes(), "all");
    text.add(Metric.DISK_INODES, space.freeInodes(), "free");
    pulls(text);
    relay(text);
    systemd(text);
    traces.ifPresent(exporter -> {
      text.add(Metric.TRACE_SPANS, exporter.sent(), "sent");
      text.add(Metric.TRACE_SPANS, exporter.dropped(), "dropped");
    });
    process(text);
    return text.toString();
  }

  private static long count(List<ContainerRecord.Life> lives, Class<?> kind) {
    return lives.stream().filter(kind::isInstance).count();
  }

  private void pulls(MetricsText text) {
    PullCounters.Figures pulls = images.pulls();
    text.add(Metric.PULLS_UNDER_WAY, pulls.running());
    text.add(Metric.PULLED, pulls.pulled());
    pulls.failed().forEach((code, count) -> text.add(Metric.PULLS_FAILED, count, code.name()));
    text.add(Metric.PULL_BYTES, pulls.receivedBytes());
    text.add(Metric.PULL_LAYERS, pulls.layers());
    text.add(Metric.PULL_RANGED, pulls.ranged());
    text.add(Metric.PULL_BREAKS, pulls.stalled(), "stalled");
    text.add(Metric.PULL_BREAKS, pulls.broken(), "broken");
  }

  private void relay(MetricsText text) {
    RelayCounters counters = relay.counters();
    text.add(Metric.RELAY_READ_BYTES, counters.bytesRead());
    text.add(Metric.RELAY_LOG_BYTES, counters.logBytes());
    text.add(Metric.RELAY_LINES, counters.lines());
    text.add(Metric.RELAY_ENTRIES, counters.entries());
    text.add(Metric.RELAY_DROPPED_BYTES, counters.droppedBytes());
    text.add(Metric.RELAY_STALLS, counters.stalls());
    text.add(Metric.RELAY_WAITING_STREAMS, counters.stalledStreams());
  }

  private void systemd(MetricsText text) {
    long asked = System.nanoTime();
    try {
      var _ = units.version();
      text.add(
          Metric.SYSTEMD_ANSWER_SECONDS,
          Duration.ofNanos(System.nanoTime() - asked).toNanos() / NANOS);
    } catch (StageletException failure) {
      // stagelet_part_healthy tells it
    }
    text.add(Metric.DBUS_CALLS, units.calls());
  }

  private void process(MetricsText text) {
    try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
      long kilobytes =
          KernelFile.text(Path.of("/proc/self/status"))
              .lines()
              .filter(line -> line.startsWith("VmRSS:"))
              .flatMap(line -> Arrays.stream(line.split("\\s+")).skip(1).limit(1))
              .mapToLong(Long::parseLong)
              .sum();
      text.add(Metric.RESIDENT_BYTES, kilobytes << 10);
      text.add(Metric.OPEN_FILES, descriptors.count());
    } catch (IOException failure) {
      // the rest is worth telling
    }
    text.add(Metric.START_SECONDS, begin.toEpochMilli() / 1000.0);
  }
}
