package io.stagelet.cri.command;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.journal.JournalNamespace;
import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/** The command {@code stagelet logs}: what a pod's containers wrote, byte for byte. */
@CommandLine.Command(
    name = "logs",
    description = {
      "Print what a pod's containers wrote.",
      "It comes from the journal, so that pods which were removed have it too. Of a container that was restarted, the last run is printed.",
      "With --json an object for each line of output; what is not UTF-8 cannot be in it as it was."
    },
    mixinStandardHelpOptions = true)
public final class LogsCommand implements Callable<Integer> {
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSSSSSXXX");

  /** Which of a container's two outputs. */
  enum Stream {
    stdout,
    stderr
  }

  @CommandLine.Mixin private final CommonOptions common = new CommonOptions();
  @CommandLine.Mixin private final JsonOption json = new JsonOption();

  @CommandLine.Parameters(
      index = "1",
      arity = "0..1",
      paramLabel = "CONTAINER",
      description = "One of its containers (default: all; then each line begins with whose it is).")
  private @Nullable String container;

  @CommandLine.Option(
      names = {"-p", "--previous"},
      description = "The run before the last one.")
  private boolean previous;

  @CommandLine.Option(
      names = "--stream",
      paramLabel = "STREAM",
      description = "Only stdout, or only stderr.")
  private @Nullable Stream stream;

  @CommandLine.Option(
      names = {"-t", "--timestamps"},
      description = "Begin each line with its time.")
  private boolean timestamps;

  private final PrintStream out;

  private final Supplier<Optional<JournalNamespace>> configured;

  /**
   * Prints to standard output.
   *
   * @param configured the journal namespace of containers, where no option says another
   */
  public LogsCommand(Supplier<Optional<JournalNamespace>> configured) {
    this.configured = configured;
    this.out = System.out;
  }

  @Override
  public Integer call() {
    JournalSearch journal = common.journal(configured);
    PodInJournal pod = new PodSearch(journal).find(common.pod);
    Map<String, List<String>> runs = runs(journal, pod);
    Set<String> shown = shown(runs);
    if (container != null && runs.getOrDefault(container, List.of()).size() < (previous ? 2 : 1)) {
      throw new StageletException(
          ErrorCode.NOT_FOUND,
          "the journal knows no container '%s' of pod %s%s; it knows %s"
              .formatted(container, pod, previous ? " before the last" : "", runs.keySet()));
    }
    List<String> query = new ArrayList<>(common.journalctl());
    query.add("K8S_POD_UID=" + pod.uid());
    for (Stream each : Stream.values()) {
      if (stream == null || stream == each) {
        query.add("STREAM=" + each);
      }
    }
    if (container != null) {
      query.add("K8S_CONTAINER_NAME=" + container);
    }
    Set<String> known = new HashSet<>();
    runs.values().forEach(known::addAll);
    Printer printer = new Printer(out, container == null && runs.size() > 1, timestamps);
    journal.each(
        query,
        entry -> {
          String id = entry.text("CONTAINER_ID_FULL");
          // one that is not known was started while we follow, or said nothing of its start
          if (shown.contains(id) || (!previous && !known.contains(id))) {
            if (json.wanted()) {
              objects(entry).forEach(line -> JsonOption.printLine(line, out));
            } else {
              printer.print(entry);
            }
          }
          return !out.checkError();
        });
    return 0;
  }

  /** An entry under load holds several lines; one may be a piece of a longer one. */
  private static List<ObjectNode> objects(RecordedEntry entry) {
    List<ObjectNode> objects = new ArrayList<>();
    String[] lines = entry.text("MESSAGE").split("\n", -1);
    for (int i = 0; i < lines.length; i++) {
      ObjectNode object =
          JsonNodeFactory.instance
              .objectNode()
              .put("time", entry.time().toString())
              .put("container", entry.text("K8S_CONTAINER_NAME"))
              .put("containerId", entry.text("CONTAINER_ID_FULL"))
              .put("stream", entry.text("STREAM"))
              .put("line", lines[i]);
      if (i == lines.length - 1 && entry.has("CONTAINER_PARTIAL_MESSAGE")) {
        object.put("partial", true);
      }
      objects.add(object);
    }
    return objects;
  }

  /** The ids that each container of the pod had, the oldest first, by the container's name. */
  private static Map<String, List<String>> runs(JournalSearch journal, PodInJournal pod) {
    Map<String, List<String>> runs = new LinkedHashMap<>();
    journal
        .all(
            List.of(
                "--output-fields=K8S_CONTAINER_NAME,CONTAINER_ID_FULL",
                "K8S_POD_UID=" + pod.uid(),
                "MESSAGE_ID=" + StoryEvent.CONTAINER_RUNS.id()))
        .forEach(entry ->
            runs.computeIfAbsent(entry.text("K8S_CONTAINER_NAME"), _ -> new ArrayList<>())
                .add(entry.text("CONTAINER_ID_FULL")));
    return runs;
  }

  /** The last id of each container, or the one before. */
  private Set<String> shown(Map<String, List<String>> runs) {
    int fromLast = previous ? 2 : 1;
    Set<String> shown = new HashSet<>();
    for (List<String> ids : runs.values()) {
      if (ids.size() >= fromLast) {
        shown.add(ids.get(ids.size() - fromLast));
      }
    }
    return shown;
  }

  /** Puts the pieces of long lines together again: each stream has its own. */
  private static final class Printer {
    private final PrintStream out;
    private final boolean named;
    private final boolean timestamps;

    /** The stream whose line is not at its end; empty for none. */
    private String open = "";

    Printer(PrintStream out, boolean named, boolean timestamps) {
      this.out = out;
      this.named = named;
      this.timestamps = timestamps;
    }

    void print(RecordedEntry entry) {
      String source = entry.text("CONTAINER_ID_FULL") + entry.text("STREAM");
      if (!open.isEmpty() && !open.equals(source)) {
        out.write('\n');
        open = "";
      }
      String prefix = prefix(entry);
      boolean whole = !entry.has("CONTAINER_PARTIAL_MESSAGE");
      byte[] message = entry.bytes("MESSAGE");
      if (prefix.isEmpty()) {
        write(out, message, 0, message.length);
      } else {
        printLines(prefix, message);
      }
      if (whole) {
        out.write('\n');
      }
      open = whole ? "" : source;
      out.flush();
    }

    /** An entry under load holds several lines. */
    private void printLines(String prefix, byte[] message) {
      byte[] start = prefix.getBytes(StandardCharsets.UTF_8);
      if (open.isEmpty()) {
        write(out, start, 0, start.length);
      }
      int begin = 0;
      for (int i = 0; i < message.length; i++) {
        if (message[i] == '\n') {
          write(out, message, begin, i + 1 - begin);
          write(out, start, 0, start.length);
          begin = i + 1;
        }
      }
      write(out, message, begin, message.length - begin);
    }

    private String prefix(RecordedEntry entry) {
      StringBuilder prefix = new StringBuilder();
      if (timestamps) {
        prefix.append(TIME.format(entry.time().atZone(ZoneId.systemDefault()))).append(' ');
      }
      if (named) {
        prefix.append(entry.text("K8S_CONTAINER_NAME")).append(": ");
      }
      return prefix.toString();
    }

    private static void write(OutputStream out, byte[] bytes, int from, int length) {
      try {
        out.write(bytes, from, length);
      } catch (IOException failure) {
        throw new UncheckedIOException(failure);
      }
    }
  }
}
