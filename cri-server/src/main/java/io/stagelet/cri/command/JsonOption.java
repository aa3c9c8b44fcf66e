package io.stagelet.cri.command;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.PrintWriter;
import picocli.CommandLine;

/** The option of every command that prints something for programs. */
final class JsonOption {
  @CommandLine.Option(names = "--json", description = "Print JSON.")
  private boolean json;

  boolean wanted() {
    return json;
  }

  /** For what goes on: an object in each line. */
  static void printLine(JsonNode value, java.io.PrintStream out) {
    out.println(value);
    out.flush();
  }

  static void print(JsonNode value, PrintWriter out) {
    out.println(value.toPrettyString());
    out.flush();
  }
}
