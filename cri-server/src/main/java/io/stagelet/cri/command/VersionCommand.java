package io.stagelet.cri.command;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.io.PrintWriter;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/** The command {@code stagelet version}. */
@CommandLine.Command(
    name = "version",
    description = "Print the version.",
    mixinStandardHelpOptions = true)
public final class VersionCommand implements Callable<Integer> {
  @CommandLine.Mixin private final JsonOption json = new JsonOption();
  @CommandLine.Spec private CommandLine.Model.@Nullable CommandSpec spec;

  private final String version;

  /** Of this version. */
  public VersionCommand(String version) {
    this.version = version;
  }

  @Override
  public Integer call() {
    PrintWriter out = Objects.requireNonNull(spec).commandLine().getOut();
    if (json.wanted()) {
      JsonOption.print(
          JsonNodeFactory.instance
              .objectNode()
              .put("version", version)
              .put("cri", "v1")
              .put("java", Runtime.version().toString()),
          out);
    } else {
      out.println("stagelet " + version);
      out.flush();
    }
    return 0;
  }
}
