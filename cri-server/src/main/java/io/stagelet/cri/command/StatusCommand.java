package io.stagelet.cri.command;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.cri.probe.CriProbe;
import io.stagelet.linux.Command;
import io.stagelet.linux.StageletException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/**
 * The command {@code stagelet status}: whether all is well, and if not, which part, and what to do.
 */
@CommandLine.Command(
    name = "status",
    description = {
      "Tell whether pods can run here: which part is broken, and what to do.",
      "The exit code is 0 when all is well, 1 when a part is broken, 3 when the server does not"
          + " run."
    },
    mixinStandardHelpOptions = true)
public final class StatusCommand implements Callable<Integer> {
  private static final int BROKEN = 1;
  private static final int NOT_RUNNING = 3;
  private static final Duration PATIENCE = Duration.ofSeconds(10);
  private static final String UNIT = "stagelet.service";

  @CommandLine.Mixin private final ServerOption server = new ServerOption();
  @CommandLine.Mixin private final JsonOption json = new JsonOption();
  @CommandLine.Spec private CommandLine.Model.@Nullable CommandSpec spec;

  @CommandLine.Option(
      names = "--socket",
      paramLabel = "SOCKET",
      description = "The CRI's socket (default: the configured one).")
  private @Nullable Path socket;

  private final Supplier<Path> runDirectory;
  private final Supplier<Path> configuredSocket;

  /** Asks the server that is configured, unless options say otherwise. */
  public StatusCommand(Supplier<Path> runDirectory, Supplier<Path> configuredSocket) {
    this.runDirectory = runDirectory;
    this.configuredSocket = configuredSocket;
  }

  @Override
  public Integer call() {
    ObjectNode status;
    try {
      status = (ObjectNode) server.client(runDirectory).json("/v1/status");
      ask((ArrayNode) status.path("parts"));
      boolean all = true;
      for (JsonNode part : status.path("parts")) {
        all &= part.path("healthy").asBoolean();
      }
      status.put("healthy", all);
      status.put("running", true);
    } catch (StageletException failure) {
      status = notRunning(failure);
    }
    PrintWriter out = Objects.requireNonNull(spec).commandLine().getOut();
    if (json.wanted()) {
      JsonOption.print(status, out);
    } else {
      print(status, out, Terminal.of(System.getenv()));
    }
    if (!status.path("running").asBoolean()) {
      return NOT_RUNNING;
    }
    return status.path("healthy").asBoolean() ? 0 : BROKEN;
  }

  /** The server says how it is; whether it answers kubelet is seen from outside. */
  private void ask(ArrayNode parts) {
    ObjectNode part = JsonNodeFactory.instance.objectNode().put("part", "cri");
    try {
      Duration took = CriProbe.ask(socket != null ? socket : configuredSocket.get(), PATIENCE);
      part.put("healthy", true).put("milliseconds", took.toMillis());
    } catch (StageletException failure) {
      part.put("healthy", false)
          .put("problem", StageletException.reason(failure))
          .put(
              "remedy",
              "See journalctl -u stagelet -p warning; the watchdog restarts a server that goes on"
                  + " like this.");
    }
    parts.insert(0, part);
  }

  private static ObjectNode notRunning(StageletException failure) {
    ObjectNode status = JsonNodeFactory.instance.objectNode();
    status.put("healthy", false).put("running", false);
    ObjectNode part = status.putArray("parts").addObject();
    part.put("part", "server").put("healthy", false);
    part.put("problem", StageletException.reason(failure));
    String state = Command.of("systemctl", "is-active", UNIT).run().text().strip();
    part.put("unit", state);
    part.put(
        "remedy",
        switch (state) {
          case "active", "activating", "reloading" ->
              "The unit is %s: look at journalctl -u stagelet.".formatted(state);
          case "failed" ->
              "It has failed: stagelet config check, journalctl -u stagelet -n 30, then systemctl"
                  + " restart stagelet.";
          case String _ -> "Start it: systemctl enable --now stagelet.";
        });
    return status;
  }

  private static void print(JsonNode status, PrintWriter out, Terminal terminal) {
    if (status.path("running").asBoolean()) {
      out.println(
          "stagelet %s, up for %s, %d pods, %d containers, default handler %s"
              .formatted(
                  status.path("version").asText(),
                  Terminal.age(Instant.parse(status.path("since").asText()), Instant.now()),
                  status.path("pods").asInt(),
                  status.path("containers").asInt(),
                  status.path("defaultHandler").asText()));
    }
    for (JsonNode part : status.path("parts")) {
      boolean healthy = part.path("healthy").asBoolean();
      out.println(
          "%s %s%s"
              .formatted(
                  healthy ? terminal.good("ok    ") : terminal.bad("BROKEN"),
                  part.path("part").asText(),
                  healthy ? "" : ": " + part.path("problem").asText()));
      if (!healthy) {
        out.println("         What to do: " + part.path("remedy").asText());
      }
    }
    for (JsonNode stalled : status.path("stalled")) {
      out.println(
          "%s %s of %s: its stage '%s' has taken %d s"
              .formatted(
                  terminal.bad("SLOW  "),
                  stalled.path("operation").asText(),
                  stalled.path("about").asText(),
                  stalled.path("stage").asText(),
                  stalled.path("seconds").asLong()));
    }
    out.flush();
  }
}
