package io.stagelet.stage0.command;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import picocli.CommandLine;

class ZshCompletionTest {
  @CommandLine.Command(
      name = "tool",
      subcommands = {Copy.class})
  private static final class Tool {}

  @CommandLine.Command(
      name = "copy",
      description = "Copy one [or more]: it's quick.%nAnd more about it.")
  @SuppressWarnings("UnusedVariable") // its fields are there for their annotations
  private static final class Copy {
    @CommandLine.Option(
        names = {"-f", "--from"},
        paramLabel = "FILE",
        description = "Where from: `here`.")
    private String from = "";

    @CommandLine.Option(names = "--force", description = "Do it.")
    private boolean force;

    @CommandLine.Option(names = "--secret", hidden = true)
    private boolean secret;
  }

  @Test
  void eachCommandHasAFunctionWithItsOptions() {
    String script = ZshCompletion.of(new CommandLine(new Tool()).getCommandSpec());

    assertThat(script)
        .startsWith("#compdef tool\n")
        .contains(
            "_tool_copy() {",
            "'(-f --from)-f[Where from\\: here.]:file:_files'",
            "'(-f --from)--from=[Where from\\: here.]:file:_files'",
            "'(--force)--force[Do it.]'",
            "'copy:Copy one or more\\: it’s quick.'",
            "copy) _tool_copy ;;")
        .doesNotContain("secret");
  }
}
