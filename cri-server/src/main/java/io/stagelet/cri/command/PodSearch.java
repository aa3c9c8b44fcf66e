package io.stagelet.cri.command;

import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Finds in the journal which pod somebody means; the pod may be gone for long. */
final class PodSearch {
  private static final int SHORTEST_ID = 4;
  private static final int MOST_NAMED = 10;
  private static final String FIELDS =
      "--output-fields=K8S_NAMESPACE_NAME,K8S_POD_NAME,K8S_POD_UID,POD_ID,OBJECT_SYSTEMD_UNIT,MESSAGE_ID,_SOURCE_REALTIME_TIMESTAMP";

  private final JournalSearch journal;

  PodSearch(JournalSearch journal) {
    this.journal = journal;
  }

  /**
   * The newest pod that is meant.
   *
   * @param reference {@code NAMESPACE/NAME}, {@code NAME}, the pod's uid, or the begin of a
   *     sandbox's id
   * @throws StageletException {@code NOT_FOUND} with the pods that the journal knows, {@code
   *     INVALID_ARGUMENT} when pods of several namespaces have the name
   */
  PodInJournal find(String reference) {
    List<PodInJournal> known = pods(journal.all(events()));
    List<PodInJournal> meant = known.stream().filter(pod -> isMeant(pod, reference)).toList();
    if (meant.isEmpty()) {
      // where our own messages are off, output tells the pod too
      meant =
          Stream.of("K8S_POD_NAME=", "K8S_POD_UID=", "POD_ID=")
              .flatMap(field ->
                  pods(journal.all(List.of("--lines=1", FIELDS, field + nameIn(reference))))
                      .stream())
              .filter(pod -> isMeant(pod, reference))
              .toList();
    }
    if (meant.isEmpty()) {
      throw new StageletException(
          ErrorCode.NOT_FOUND,
          "the journal knows no pod '%s'; %s".formatted(reference, inWords(known)));
    }
    Set<String> names = meant.stream().map(PodInJournal::toString).collect(Collectors.toSet());
    if (names.size() > 1) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "'%s' may be any of %s; say which"
              .formatted(reference, names.stream().sorted().toList()));
    }
    return meant.stream().max(Comparator.comparing(PodInJournal::seen)).orElseThrow();
  }

  /** What every pod leaves in the journal, few entries each. */
  private static List<String> events() {
    return List.of(
        FIELDS,
        "MESSAGE_ID=" + StoryEvent.SANDBOX_READY.id(),
        "+",
        "MESSAGE_ID=" + StoryEvent.CALL_ASKED.id(),
        "CRI_CALL=RunPodSandbox",
        "+",
        "MESSAGE_ID=" + StoryEvent.CONTAINER_RUNS.id());
  }

  /** The pods of these entries. */
  static List<PodInJournal> pods(List<RecordedEntry> entries) {
    Map<String, PodInJournal> byUid = new LinkedHashMap<>();
    for (RecordedEntry entry : entries) {
      if (entry.text("K8S_POD_UID").isEmpty()) {
        continue;
      }
      PodInJournal pod =
          new PodInJournal(
              entry.text("K8S_NAMESPACE_NAME"),
              entry.text("K8S_POD_NAME"),
              entry.text("K8S_POD_UID"),
              one(entry.text("POD_ID")),
              one(entry.text("OBJECT_SYSTEMD_UNIT")),
              entry.time());
      byUid.merge(pod.uid(), pod, PodSearch::together);
    }
    return List.copyOf(byUid.values());
  }

  private static Set<String> one(String value) {
    return value.isEmpty() ? Set.of() : Set.of(value);
  }

  private static PodInJournal together(PodInJournal one, PodInJournal other) {
    Set<String> sandboxes = new HashSet<>(one.sandboxes());
    sandboxes.addAll(other.sandboxes());
    Set<String> units = new HashSet<>(one.units());
    units.addAll(other.units());
    return new PodInJournal(
        one.namespace(),
        one.name(),
        one.uid(),
        sandboxes,
        units,
        one.seen().isAfter(other.seen()) ? one.seen() : other.seen());
  }

  static boolean isMeant(PodInJournal pod, String reference) {
    return pod.toString().equals(reference)
        || pod.name().equals(reference)
        || pod.uid().equals(reference)
        || (reference.length() >= SHORTEST_ID
            && pod.sandboxes().stream().anyMatch(id -> id.startsWith(reference)));
  }

  private static String nameIn(String reference) {
    return reference.substring(reference.indexOf('/') + 1);
  }

  private static String inWords(List<PodInJournal> known) {
    if (known.isEmpty()) {
      return "it knows none at all (are you root, or in the group systemd-journal?)";
    }
    return "the last it knows are "
        + known.stream()
            .sorted(Comparator.comparing(PodInJournal::seen).reversed())
            .map(PodInJournal::toString)
            .distinct()
            .limit(MOST_NAMED)
            .collect(Collectors.joining(", "));
  }
}
