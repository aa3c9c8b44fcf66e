package io.stagelet.stage0.command;

import java.util.List;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/** A command's description as a manual page ({@code man(7)}). */
final class ManualPage {
  private final StringBuilder page = new StringBuilder();

  private ManualPage() {}

  static String of(CommandSpec command) {
    ManualPage manual = new ManualPage();
    manual.write(command);
    return manual.page.toString();
  }

  private void write(CommandSpec command) {
    line(".TH %s 8 \"\" \"Stagelet\"".formatted(command.name().toUpperCase(java.util.Locale.ROOT)));
    line(".SH NAME");
    line(command.name() + " \\- " + text(command.usageMessage().description()));
    line(".SH SYNOPSIS");
    line(".B " + command.name());
    line("COMMAND [OPTIONS] [ARGUMENTS]");
    line(".SH COMMANDS");
    command
        .subcommands()
        .forEach((name, subcommand) -> {
          if (name.equals(subcommand.getCommandSpec().name())) {
            subcommand(subcommand.getCommandSpec(), "");
          }
        });
    line(".SH EXIT STATUS");
    line(text(command.usageMessage().footer()));
  }

  private void subcommand(CommandSpec command, String parent) {
    if (!command.subcommands().isEmpty()) {
      command
          .subcommands()
          .values()
          .forEach(inner -> subcommand(inner.getCommandSpec(), parent + command.name() + " "));
      return;
    }
    StringBuilder synopsis = new StringBuilder(".SS \"" + parent + command.name());
    for (PositionalParamSpec parameter : command.positionalParameters()) {
      synopsis.append(' ').append(parameter.paramLabel());
    }
    line(synopsis.append('"').toString());
    line(text(command.usageMessage().description()));
    for (OptionSpec option : command.options()) {
      line(".TP");
      String label = option.arity().max() > 0 ? " " + option.paramLabel() : "";
      line(".B " + escaped(String.join(", ", List.of(option.names())) + label));
      line(rendered(option));
    }
  }

  private static String rendered(OptionSpec option) {
    String[] lines = option.description();
    Object standard = option.initialValue();
    return text(lines).replace("${DEFAULT\\-VALUE}", String.valueOf(standard));
  }

  private static String text(String[] lines) {
    String text = escaped(String.join(" ", lines));
    return CommandLine.Help.Ansi.OFF.string(text);
  }

  private static String escaped(String text) {
    String plain = text.replace("\\", "\\e").replace("-", "\\-");
    return plain.startsWith(".") || plain.startsWith("'") ? "\\&" + plain : plain;
  }

  private void line(String text) {
    page.append(text).append('\n');
  }
}
