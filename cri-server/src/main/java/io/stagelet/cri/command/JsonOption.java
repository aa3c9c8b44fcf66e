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

  static void print(JsonNode value, PrintWriter out) {
    out.println(value.toPrettyString());
    out.flush();
  }
}
