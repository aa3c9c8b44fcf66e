package io.stagelet.cri.command;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

/** The commands that ask the server what is on this node. */
public final class NodeCommands {
  private static final int SHORT_ID = 12;

  private NodeCommands() {}

  /** Adds them all. */
  public static void addTo(Map<String, Supplier<Object>> subcommands, Supplier<Path> runDirectory) {
    subcommands.put("pods", () -> new PodsCommand(runDirectory));
    subcommands.put("ps", () -> new PsCommand(runDirectory));
    subcommands.put("top", () -> new TopCommand(runDirectory));
    subcommands.put("inspect", () -> new InspectCommand(runDirectory));
    subcommands.put("metrics", () -> new MetricsCommand(runDirectory));
    subcommands.put("remove-all-pods", () -> new RemoveAllPods(runDirectory));
  }

  /** One that shows a list. */
  abstract static class ListCommand implements Callable<Integer> {
    @CommandLine.Mixin private final ServerOption server = new ServerOption();
    @CommandLine.Mixin private final JsonOption json = new JsonOption();
    @CommandLine.Spec private @Nullable CommandSpec spec;

    private final Supplier<Path> runDirectory;
    private final String page;
    private final List<String> head;

    ListCommand(Supplier<Path> runDirectory, String page, String... head) {
      this.runDirectory = runDirectory;
      this.page = page;
      this.head = List.of(head);
    }

    /** Which are shown, and in what order. */
    Stream<JsonNode> chosen(Stream<JsonNode> all) {
      return all;
    }

    /** One row. */
    abstract List<String> row(JsonNode item, Instant now);

    @Override
    public Integer call() {
      PrintWriter out = Objects.requireNonNull(spec).commandLine().getOut();
      JsonNode answer = server.client(runDirectory).json(page);
      List<JsonNode> items = chosen(answer.valueStream()).toList();
      if (json.wanted()) {
        JsonOption.print(
            com.fasterxml.jackson.databind.node.JsonNodeFactory.instance.arrayNode().addAll(items),
            out);
        return 0;
      }
      Instant now = Instant.now();
      List<List<String>> rows = new ArrayList<>(List.of(head));
      items.forEach(item -> rows.add(row(item, now)));
      Terminal.of(System.getenv()).table(rows).forEach(out::println);
      out.flush();
      return 0;
    }
  }

  private static String text(JsonNode item, String field) {
    return item.path(field).asText("");
  }

  private static String shortId(JsonNode item) {
    String id = text(item, "id");
    return id.substring(0, Math.min(SHORT_ID, id.length()));
  }

  private static String age(JsonNode item, Instant now) {
    return Terminal.age(Instant.parse(text(item, "created")), now);
  }

  private static Comparator<JsonNode> by(String... fields) {
    Function<JsonNode, String> key =
        item ->
            Stream.of(fields).map(field -> text(item, field)).reduce("", (a, b) -> a + "\0" + b);
    return Comparator.comparing(key);
  }

  /** Pods. */
  @CommandLine.Command(
      name = "pods",
      description = "List the pods.",
      mixinStandardHelpOptions = true)
  static final class PodsCommand extends ListCommand {
    PodsCommand(Supplier<Path> runDirectory) {
      super(
          runDirectory,
          "/v1/pods",
          "ID",
          "NAMESPACE",
          "NAME",
          "STATE",
          "ADDRESS",
          "HANDLER",
          "CONTAINERS",
          "AGE",
          "UNIT");
    }

    @Override
    Stream<JsonNode> chosen(Stream<JsonNode> all) {
      return all.sorted(by("namespace", "name", "created"));
    }

    @Override
    List<String> row(JsonNode item, Instant now) {
      return List.of(
          shortId(item),
          text(item, "namespace"),
          text(item, "name"),
          text(item, "state"),
          item.path("addresses").path(0).asText("-"),
          text(item, "handler"),
          text(item, "containers"),
          age(item, now),
          text(item, "unit"));
    }
  }

  /** Containers. */
  @CommandLine.Command(
      name = "ps",
      description = "List the containers that run.",
      mixinStandardHelpOptions = true)
  static final class PsCommand extends ListCommand {
    @CommandLine.Option(
        names = {"-a", "--all"},
        description = "Those that do not run as well.")
    private boolean all;

    PsCommand(Supplier<Path> runDirectory) {
      super(
          runDirectory,
          "/v1/containers",
          "ID",
          "NAMESPACE",
          "POD",
          "NAME",
          "STATE",
          "IMAGE",
          "AGE",
          "UNIT");
    }

    @Override
    Stream<JsonNode> chosen(Stream<JsonNode> items) {
      return items
          .filter(item -> all || text(item, "state").equals("RUNNING"))
          .sorted(by("namespace", "pod", "name", "created"));
    }

    @Override
    List<String> row(JsonNode item, Instant now) {
      String state =
          text(item, "state")
              + (item.has("exitCode")
                  ? " (%s, %s)".formatted(text(item, "exitCode"), text(item, "reason"))
                  : "");
      return List.of(
          shortId(item),
          text(item, "namespace"),
          text(item, "pod"),
          text(item, "name"),
          state,
          text(item, "image"),
          age(item, now),
          text(item, "unit"));
    }
  }

  /** What containers use. */
  @CommandLine.Command(
      name = "top",
      description = {
        "List what the running containers use, the greatest first.",
        "CPU is in thousandths of a processor, over the time since it was last asked for."
      },
      mixinStandardHelpOptions = true)
  static final class TopCommand extends ListCommand {
    @CommandLine.Option(names = "--by-memory", description = "Order by memory rather than by CPU.")
    private boolean byMemory;

    TopCommand(Supplier<Path> runDirectory) {
      super(
          runDirectory,
          "/v1/top",
          "NAMESPACE",
          "POD",
          "CONTAINER",
          "CPU",
          "CPU TIME",
          "MEMORY",
          "LIMIT",
          "PROCESSES");
    }

    @Override
    Stream<JsonNode> chosen(Stream<JsonNode> items) {
      return items.sorted(
          Comparator.comparingDouble(
                  (JsonNode item) -> item.path(byMemory ? "memory" : "milliCores").asDouble())
              .reversed());
    }

    @Override
    List<String> row(JsonNode item, Instant now) {
      return List.of(
          text(item, "namespace"),
          text(item, "pod"),
          text(item, "name"),
          text(item, "milliCores") + "m",
          "%.1fs".formatted(item.path("cpuSeconds").asDouble()),
          Terminal.bytes(item.path("memory").asLong()),
          item.has("memoryLimit") ? Terminal.bytes(item.path("memoryLimit").asLong()) : "-",
          text(item, "processes"));
    }
  }

  /** Everything about one. */
  @CommandLine.Command(
      name = "inspect",
      description = {
        "Print all that is known about a pod or a container, as JSON.",
        "Values in a container's environment are left out: they may be secrets."
      },
      mixinStandardHelpOptions = true)
  static final class InspectCommand implements Callable<Integer> {
    @CommandLine.Mixin private final ServerOption server = new ServerOption();
    @CommandLine.Mixin private final JsonOption json = new JsonOption();
    @CommandLine.Spec private @Nullable CommandSpec spec;

    @CommandLine.Parameters(
        paramLabel = "NAME",
        description = "The name, the unit, or the begin of the id.")
    private String name = "";

    private final Supplier<Path> runDirectory;

    InspectCommand(Supplier<Path> runDirectory) {
      this.runDirectory = runDirectory;
    }

    @Override
    public Integer call() {
      PrintWriter out = Objects.requireNonNull(spec).commandLine().getOut();
      JsonNode found = server.client(runDirectory).json("/v1/inspect/" + name);
      // for a program, one line
      out.println(json.wanted() ? found.toString() : found.toPrettyString());
      out.flush();
      return 0;
    }
  }

  /** What Prometheus is told. */
  @CommandLine.Command(
      name = "metrics",
      description = "Print the metrics of the server, as Prometheus reads them.",
      mixinStandardHelpOptions = true)
  static final class MetricsCommand implements Callable<Integer> {
    @CommandLine.Mixin private final ServerOption server = new ServerOption();
    @CommandLine.Mixin private final JsonOption json = new JsonOption();
    @CommandLine.Spec private @Nullable CommandSpec spec;

    private final Supplier<Path> runDirectory;

    MetricsCommand(Supplier<Path> runDirectory) {
      this.runDirectory = runDirectory;
    }

    @Override
    public Integer call() {
      PrintWriter out = Objects.requireNonNull(spec).commandLine().getOut();
      String text = server.client(runDirectory).text("GET", "/metrics");
      if (json.wanted()) {
        JsonOption.print(MetricsJson.of(text), out);
      } else {
        out.print(text);
        out.flush();
      }
      return 0;
    }
  }

  /** For the removal of the package. */
  @CommandLine.Command(
      name = "remove-all-pods",
      description =
          "Stop and remove every pod on this node, each with its grace period. kubelet must be"
              + " stopped first, or it makes them again.",
      mixinStandardHelpOptions = true)
  static final class RemoveAllPods implements Callable<Integer> {
    @CommandLine.Mixin private final ServerOption server = new ServerOption();
    @CommandLine.Mixin private final JsonOption json = new JsonOption();
    @CommandLine.Spec private @Nullable CommandSpec spec;

    @CommandLine.Option(names = "--yes", required = true, description = "Yes, all of them.")
    private boolean yes;

    @CommandLine.Option(names = "--now", description = "Without grace: kill what runs.")
    private boolean now;

    private final Supplier<Path> runDirectory;

    RemoveAllPods(Supplier<Path> runDirectory) {
      this.runDirectory = runDirectory;
    }

    @Override
    public Integer call() {
      PrintWriter out = Objects.requireNonNull(spec).commandLine().getOut();
      JsonNode removed =
          server.client(runDirectory).post("/v1/remove-all-pods" + (now ? "/now" : ""));
      if (json.wanted()) {
        JsonOption.print(removed, out);
      }
      boolean failed = false;
      for (JsonNode pod : removed) {
        failed |= pod.has("problem");
        if (!json.wanted()) {
          out.println(
              text(pod, "pod")
                  + (pod.has("problem")
                      ? ": NOT removed: " + text(pod, "problem")
                      : " is removed"));
        }
      }
      out.flush();
      return failed || !yes ? 1 : 0;
    }
  }
}
