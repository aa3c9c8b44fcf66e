package io.stagelet.stage0.command;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/**
 * A command's completion for zsh ({@code zshcompsys(1)}): a function for each command, which knows
 * its subcommands and options with what they are for.
 */
final class ZshCompletion {
  private static final int LONGEST = 80;

  private final StringBuilder script = new StringBuilder();

  private ZshCompletion() {}

  static String of(CommandSpec command) {
    ZshCompletion completion = new ZshCompletion();
    completion.line("#compdef " + command.name());
    completion.function(command, "_" + command.name());
    completion.line("if [ \"$funcstack[1]\" = _%s ]; then".formatted(command.name()));
    completion.line("  _%s \"$@\"".formatted(command.name()));
    completion.line("else");
    completion.line("  compdef _%1$s %1$s".formatted(command.name()));
    completion.line("fi");
    return completion.script.toString();
  }

  private void function(CommandSpec command, String name) {
    Map<String, CommandSpec> subcommands = new TreeMap<>();
    command.subcommands().forEach((word, line) -> subcommands.put(word, line.getCommandSpec()));
    subcommands.forEach((word, spec) -> function(spec, name + "_" + word));
    line(name + "() {");
    List<String> arguments = new ArrayList<>();
    command.options().stream()
        .filter(option -> !option.hidden())
        .forEach(option -> arguments.addAll(options(option)));
    if (subcommands.isEmpty()) {
      arguments.add("'*:argument:_default'");
      line("  _arguments -s -S " + String.join(" ", arguments));
    } else {
      arguments.add("'1: :->command'");
      arguments.add("'*:: :->arguments'");
      line("  local curcontext=$curcontext state line");
      line("  local -a commands");
      line("  _arguments -C " + String.join(" ", arguments));
      line("  case $state in");
      line("    command)");
      line("      commands=(");
      subcommands.forEach((word, spec) ->
          line("        '%s:%s'".formatted(word, quoted(spec.usageMessage().description()))));
      line("      )");
      line("      _describe -t commands command commands ;;");
      line("    arguments)");
      line("      case $line[1] in");
      subcommands.keySet().forEach(word -> line("        %s) %s_%1$s ;;".formatted(word, name)));
      line("      esac ;;");
      line("  esac");
    }
    line("}");
  }

  /** Each of its names, of which one is enough. */
  private static List<String> options(OptionSpec option) {
    String all = "(" + String.join(" ", option.names()) + ")";
    String takes = "";
    if (option.arity().max() > 0) {
      String label = option.paramLabel().toLowerCase(Locale.ROOT);
      takes =
          label.contains("file") || label.contains("socket")
              ? ":%s:_files".formatted(label)
              : ":%s:".formatted(label);
    }
    List<String> words = new ArrayList<>();
    for (String name : option.names()) {
      String shown = name.startsWith("--") && !takes.isEmpty() ? name + "=" : name;
      words.add("'%s%s[%s]%s'".formatted(all, shown, quoted(option.description()), takes));
    }
    return words;
  }

  /** The first line, without what zsh or a quoted word takes for something else. */
  private static String quoted(String[] description) {
    String text = description.length == 0 ? "" : description[0];
    String plain =
        text.replaceAll("%n.*", "")
            .replaceAll("\\$\\{[^}]*}", "…")
            .replace("'", "’")
            .replaceAll("[\\[\\]\\\\`$]", "")
            .replace(":", "\\:");
    return plain.length() <= LONGEST ? plain : plain.substring(0, LONGEST - 1) + "…";
  }

  private void line(String text) {
    script.append(text).append('\n');
  }
}
