package io.stagelet.cri.command;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.stagelet.linux.Command;
import io.stagelet.linux.DurableFiles;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/** The command {@code stagelet support}: one archive for a bug report. */
@CommandLine.Command(
    name = "support",
    description = {
      "Make one archive for a bug report.",
      "In it: status, configuration, pods and containers, metrics, what systemd says of the units, the last messages of Stagelet, and facts about the machine. No output of containers, no environment of theirs, and what looks like a password or token is blotted out. Look through it before you send it."
    },
    mixinStandardHelpOptions = true)
public final class SupportCommand implements Callable<Integer> {
  private static final Duration PATIENCE = Duration.ofSeconds(20);

  @CommandLine.Mixin private final ServerOption server = new ServerOption();
  @CommandLine.Mixin private final JsonOption json = new JsonOption();
  @CommandLine.Spec private CommandLine.Model.@Nullable CommandSpec spec;

  @CommandLine.Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      description = "Where to (default: ${DEFAULT-VALUE}).")
  private Path output = Path.of("stagelet-support.tar.gz");

  private final Supplier<Path> runDirectory;
  private final UnaryOperator<String> withoutSecrets;

  /**
   * Asks the configured server.
   *
   * @param withoutSecrets blots them out of a text
   */
  public SupportCommand(Supplier<Path> runDirectory, UnaryOperator<String> withoutSecrets) {
    this.runDirectory = runDirectory;
    this.withoutSecrets = withoutSecrets;
  }

  private record Piece(String name, List<String> command) {}

  private static final List<Piece> PIECES =
      List.of(
          new Piece("systemd.txt", List.of("systemctl", "--version")),
          new Piece("kernel.txt", List.of("uname", "-a")),
          new Piece("os-release.txt", List.of("cat", "/etc/os-release")),
          new Piece("disk.txt", List.of("df", "-h", "-T")),
          new Piece("inodes.txt", List.of("df", "-i")),
          new Piece("memory.txt", List.of("cat", "/proc/meminfo")),
          new Piece("mounts.txt", List.of("cat", "/proc/self/mountinfo")),
          new Piece("server-unit.txt", List.of("systemctl", "show", "stagelet.service")),
          new Piece(
              "units.txt",
              List.of("systemctl", "list-units", "--all", "--no-pager", "pod-*", "ctr-*")),
          new Piece(
              "messages.txt",
              List.of(
                  "journalctl",
                  "-t",
                  "stagelet",
                  "-u",
                  "stagelet",
                  "-n",
                  "5000",
                  "--no-pager",
                  "-o",
                  "short-precise")),
          new Piece("networks.txt", List.of("sh", "-c", "head -n 100 /etc/cni/net.d/*")),
          new Piece(
              "configuration.txt",
              List.of(
                  "sh",
                  "-c",
                  "head -n 1000 /etc/stagelet/stagelet.toml /etc/stagelet/stagelet.toml.d/*.toml")));

  private static final List<String> PAGES =
      List.of("/v1/status", "/v1/pods", "/v1/containers", "/v1/top", "/metrics");

  @Override
  public Integer call() {
    PrintWriter out = Objects.requireNonNull(spec).commandLine().getOut();
    try {
      Path folder = Files.createTempDirectory("stagelet-support-");
      try {
        Path inside = Files.createDirectory(folder.resolve("stagelet-support"));
        for (Piece piece : PIECES) {
          write(inside.resolve(piece.name()), () -> said(piece.command()));
        }
        for (String page : PAGES) {
          String name = page.substring(page.lastIndexOf('/') + 1);
          write(
              inside.resolve(name + (page.startsWith("/v1/") ? ".json" : ".txt")),
              () -> server.client(runDirectory).text("GET", page));
        }
        Command.of(
                "tar",
                "--create",
                "--gzip",
                "--file",
                output.toAbsolutePath().toString(),
                "--directory",
                folder.toString(),
                "stagelet-support")
            .runChecked();
      } finally {
        DurableFiles.deleteTree(folder);
      }
    } catch (IOException failure) {
      throw new UncheckedIOException("the archive could not be made", failure);
    }
    if (json.wanted()) {
      JsonOption.print(
          JsonNodeFactory.instance.objectNode().put("archive", output.toAbsolutePath().toString()),
          out);
    } else {
      out.println(output + " is made. Look through it before you send it: tar -tzf " + output);
      out.flush();
    }
    return 0;
  }

  private static String said(List<String> command) {
    Command.Outcome outcome = Command.of(command).withDeadline(PATIENCE).run();
    return outcome.text() + outcome.complaint();
  }

  /** What cannot be had is said in its place: a broken node is when the archive is wanted most. */
  private void write(Path file, Supplier<String> source) throws IOException {
    String text;
    try {
      text = source.get();
    } catch (StageletException failure) {
      text = "could not be had: " + StageletException.reason(failure) + "\n";
    }
    Files.writeString(file, withoutSecrets.apply(text));
  }
}
