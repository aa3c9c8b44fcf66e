package io.stagelet.cri.command;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.journal.JournalNamespace;
import io.stagelet.linux.StageletException;
import java.io.PrintStream;
import java.time.LocalDate;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/**
 * The command {@code stagelet story}: all that happened to a pod, in one timeline. kubelet's calls,
 * Stagelet's steps, what systemd said of the units, what the containers wrote, how they ended.
 */
@CommandLine.Command(
    name = "story",
    description = {
      "Print all that happened to a pod.",
      "One timeline: kubelet's calls, Stagelet's steps, systemd's jobs, what the containers wrote, how they ended. Pods that were removed have it too.",
      "With --json an object in each line."
    },
    mixinStandardHelpOptions = true)
public final class StoryCommand implements Callable<Integer> {
  private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("HH:mm:ss.SSS");
  private static final String INDENT = " ".repeat(27);

  /** The fields that are told, and what they are called in JSON. */
  private static final Map<String, String> TOLD =
      Map.of(
          "MESSAGE_ID", "messageId",
          "CRI_CALL", "call",
          "CRI_CALL_ID", "callId",
          "K8S_CONTAINER_NAME", "container",
          "STREAM", "stream",
          "UNIT", "unit",
          "OBJECT_SYSTEMD_UNIT", "unit");

  @CommandLine.Mixin private final CommonOptions common = new CommonOptions();
  @CommandLine.Mixin private final JsonOption json = new JsonOption();

  @CommandLine.Option(names = "--no-output", description = "Leave out what the containers wrote.")
  private boolean withoutOutput;

  private final PrintStream out;
  private @Nullable LocalDate day;

  private final Supplier<Optional<JournalNamespace>> configured;

  /**
   * Prints to standard output.
   *
   * @param configured the journal namespace of containers, where no option says another
   */
  public StoryCommand(Supplier<Optional<JournalNamespace>> configured) {
    this.configured = configured;
    this.out = System.out;
  }

  @Override
  public Integer call() throws StageletException {
    JournalSearch journal = common.journal(configured);
    PodInJournal pod = new PodSearch(journal).find(common.pod);
    if (!json.wanted()) {
      out.printf("Pod %s, uid %s%n", pod, pod.uid());
    }
    journal.each(
        query(pod),
        entry -> {
          if (!withoutOutput || !entry.has("STREAM")) {
            if (json.wanted()) {
              JsonOption.printLine(object(entry), out);
            } else {
              tell(entry);
            }
          }
          return !out.checkError();
        });
    return 0;
  }

  private List<String> query(PodInJournal pod) {
    List<String> query = new ArrayList<>(common.journalctl());
    query.add("K8S_POD_UID=" + pod.uid());
    for (String sandbox : pod.sandboxes()) {
      query.add("+");
      query.add("POD_ID=" + sandbox);
    }
    // before systemd 254 PID 1 does not put a unit's own fields on what it says about it
    for (String unit : pod.units()) {
      query.add("+");
      query.add("UNIT=" + unit);
      query.add("_PID=1");
    }
    return query;
  }

  private void tell(RecordedEntry entry) {
    ZonedDateTime time = entry.time().atZone(ZoneId.systemDefault());
    if (!time.toLocalDate().equals(day)) {
      day = time.toLocalDate();
      out.printf("-- %s (%s)%n", day, time.getZone());
    }
    out.printf(
        "%s %s%s%n",
        TIME.format(time),
        who(entry),
        entry.text("MESSAGE").stripTrailing().replace("\n", "\n" + INDENT));
  }

  private static ObjectNode object(RecordedEntry entry) {
    ObjectNode object =
        JsonNodeFactory.instance
            .objectNode()
            .put("time", entry.time().toString())
            .put("speaker", entry.text("SYSLOG_IDENTIFIER"))
            .put("message", entry.text("MESSAGE"));
    TOLD.forEach((field, name) -> {
      if (entry.has(field)) {
        object.put(name, entry.text(field));
      }
    });
    return object;
  }

  /** Who speaks: Stagelet and systemd by name, a container by its own and which output it is. */
  static String who(RecordedEntry entry) {
    String speaker =
        entry.has("STREAM")
            ? entry.text("K8S_CONTAINER_NAME") + " " + entry.text("STREAM")
            : entry.text("SYSLOG_IDENTIFIER");
    return "%-13s ".formatted(speaker + ":");
  }
}
