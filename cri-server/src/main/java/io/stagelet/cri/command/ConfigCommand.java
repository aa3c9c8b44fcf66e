package io.stagelet.cri.command;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.cri.configuration.ConfigurationFiles;
import io.stagelet.cri.configuration.ConfigurationKey;
import io.stagelet.cri.configuration.ConfigurationKeys;
import io.stagelet.cri.configuration.ConfigurationText;
import io.stagelet.cri.configuration.Mistake;
import io.stagelet.cri.configuration.Origin;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Function;
import picocli.CommandLine;

/** The command {@code stagelet config}: what is configured, and whether it can be. */
@CommandLine.Command(
    name = "config",
    description = "Show, check and explain the configuration.",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    subcommands = ConfigCommand.Default.class)
public final class ConfigCommand {
  ConfigCommand() {}

  /**
   * The command with its subcommands.
   *
   * @param mistakes finds what is wrong with files
   */
  public static CommandLine line(Function<ConfigurationFiles, List<Mistake>> mistakes) {
    return new CommandLine(new ConfigCommand())
        .addSubcommand(new Show(mistakes))
        .addSubcommand(new Check(mistakes));
  }

  /** Which files. */
  static final class FileOption {
    @CommandLine.Option(
        names = "--config",
        paramLabel = "FILE",
        description = "The configuration; FILE.d/*.toml come after it (default: ${DEFAULT-VALUE}).")
    private Path file = Path.of("/etc/stagelet/stagelet.toml");

    ConfigurationFiles read() {
      return ConfigurationFiles.read(file);
    }

    Path file() {
      return file;
    }
  }

  /** Prints what holds. */
  @CommandLine.Command(
      name = "show",
      description = {
        "Print every value that holds, and where it comes from.",
        "This is what the files say now; the server has taken it up with its last reload, or where a key is marked so, with its last restart."
      },
      mixinStandardHelpOptions = true)
  static final class Show implements Callable<Integer> {
    @CommandLine.Mixin private final FileOption file = new FileOption();
    @CommandLine.Mixin private final JsonOption json = new JsonOption();

    @CommandLine.Spec private CommandLine.Model.@org.jspecify.annotations.Nullable CommandSpec spec;

    private final Function<ConfigurationFiles, List<Mistake>> mistakes;

    Show(Function<ConfigurationFiles, List<Mistake>> mistakes) {
      this.mistakes = mistakes;
    }

    private record Line(String key, String value, String source, String effect) {}

    @Override
    public Integer call() {
      CommandLine line = java.util.Objects.requireNonNull(spec).commandLine();
      ConfigurationFiles files = file.read();
      List<Line> lines = lines(files);
      PrintWriter out = line.getOut();
      if (json.wanted()) {
        ArrayNode array = JsonNodeFactory.instance.arrayNode();
        for (Line one : lines) {
          array.add(
              JsonNodeFactory.instance
                  .objectNode()
                  .put("key", one.key)
                  .put("value", one.value)
                  .put("source", one.source)
                  .put("changedBy", one.effect));
        }
        JsonOption.print(array, out);
      } else {
        int width = lines.stream().mapToInt(one -> one.key.length()).max().orElse(0);
        int values =
            Math.min(40, lines.stream().mapToInt(one -> one.value.length()).max().orElse(0));
        for (Line one : lines) {
          out.println(
              ("%-" + width + "s = %-" + values + "s  # %s")
                  .formatted(one.key, one.value, one.source)
                  .stripTrailing());
        }
      }
      out.flush();
      List<Mistake> wrong = mistakes.apply(files);
      wrong.forEach(line.getErr()::println);
      line.getErr().flush();
      return wrong.isEmpty() ? 0 : 1;
    }

    private static List<Line> lines(ConfigurationFiles files) {
      Map<List<String>, JsonNode> values = files.byPath();
      boolean handlers =
          values.keySet().stream().anyMatch(path -> path.getFirst().equals("handlers"));
      List<Line> lines = new ArrayList<>();
      for (ConfigurationKey key : ConfigurationKeys.all()) {
        List<List<String>> there =
            values.keySet().stream()
                .filter(path -> ConfigurationKeys.of(path).filter(key::equals).isPresent())
                .toList();
        for (List<String> path : there) {
          lines.add(
              new Line(
                  String.join(".", path),
                  String.valueOf(values.get(path)),
                  files.origin(path).map(Origin::toString).orElse(""),
                  key.effect().word()));
        }
        if (there.isEmpty() && !key.standard().isEmpty() && !key.name().contains("NAME")) {
          lines.add(new Line(key.name(), key.standard(), "default", key.effect().word()));
        }
        if (!handlers && key.name().equals("handlers.NAME.stage1")) {
          for (String name : List.of("crun", "runc")) {
            lines.add(
                new Line(
                    "handlers." + name + ".stage1", "\"oci\"", "default", key.effect().word()));
            lines.add(
                new Line(
                    "handlers." + name + ".annotation", "true", "default", key.effect().word()));
          }
        }
      }
      return lines;
    }
  }

  /** Finds mistakes. */
  @CommandLine.Command(
      name = "check",
      description =
          "Print every mistake with its file and line; the exit code is 1 when there is one.",
      mixinStandardHelpOptions = true)
  static final class Check implements Callable<Integer> {
    @CommandLine.Mixin private final FileOption file = new FileOption();
    @CommandLine.Mixin private final JsonOption json = new JsonOption();

    @CommandLine.Spec private CommandLine.Model.@org.jspecify.annotations.Nullable CommandSpec spec;

    private final Function<ConfigurationFiles, List<Mistake>> mistakes;

    Check(Function<ConfigurationFiles, List<Mistake>> mistakes) {
      this.mistakes = mistakes;
    }

    @Override
    public Integer call() {
      CommandLine line = java.util.Objects.requireNonNull(spec).commandLine();
      List<Mistake> wrong = mistakes.apply(file.read());
      PrintWriter out = line.getOut();
      if (json.wanted()) {
        ArrayNode array = JsonNodeFactory.instance.arrayNode();
        for (Mistake mistake : wrong) {
          ObjectNode one = array.addObject();
          one.put("file", mistake.file().toString());
          one.put("line", mistake.line());
          one.put("key", mistake.key());
          one.put("mistake", mistake.words());
        }
        JsonOption.print(array, out);
      } else if (wrong.isEmpty()) {
        out.println(file.file() + " and its drop-ins: no mistakes");
      } else {
        wrong.forEach(out::println);
      }
      out.flush();
      return wrong.isEmpty() ? 0 : 1;
    }
  }

  /** Prints the table of keys. */
  @CommandLine.Command(
      name = "default",
      description = "Print all keys with their defaults and what they mean.",
      mixinStandardHelpOptions = true)
  static final class Default implements Callable<Integer> {
    /** What it is printed as. */
    enum Form {
      toml,
      markdown,
      man
    }

    @CommandLine.Option(
        names = "--as",
        paramLabel = "FORM",
        description =
            "toml, a file to begin with; markdown, the table of docs/configure.md; man, the page stagelet.toml(5) (default: toml).")
    private Form form = Form.toml;

    @CommandLine.Mixin private final JsonOption json = new JsonOption();

    @CommandLine.Spec private CommandLine.Model.@org.jspecify.annotations.Nullable CommandSpec spec;

    @Override
    public Integer call() {
      PrintWriter out = java.util.Objects.requireNonNull(spec).commandLine().getOut();
      if (json.wanted()) {
        ArrayNode array = JsonNodeFactory.instance.arrayNode();
        for (ConfigurationKey key : ConfigurationKeys.all()) {
          array.add(
              JsonNodeFactory.instance
                  .objectNode()
                  .put("key", key.name())
                  .put("value", key.type().words())
                  .put("default", key.standard())
                  .put("changedBy", key.effect().word())
                  .put("description", key.description()));
        }
        JsonOption.print(array, out);
      } else {
        out.print(
            switch (form) {
              case toml -> ConfigurationText.toml();
              case markdown -> ConfigurationText.markdown();
              case man -> ConfigurationText.manual();
            });
      }
      out.flush();
      return 0;
    }
  }
}
