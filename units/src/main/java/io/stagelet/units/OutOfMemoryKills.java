package io.stagelet.units;

import io.stagelet.linux.Command;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * What systemd has noted of processes that the kernel killed for want of memory. It looks at the
 * count in a unit's control group each time a process of it ends, before the group goes, and writes
 * an entry to the journal when it has grown; a unit that goes on after such a kill ({@link
 * OomPolicy#CONTINUE}) bears no other trace of it.
 */
public final class OutOfMemoryKills {
  /** The id of such an entry in systemd's catalog. */
  private static final UUID MESSAGE_ID = UUID.fromString("fe6faa94-e777-4663-a0da-52717891d8ef");

  private static final Duration DEADLINE = Duration.ofSeconds(10);

  private OutOfMemoryKills() {}

  /**
   * When systemd last noted one of this unit; empty when it never did.
   *
   * @throws StageletException when the journal cannot be asked
   */
  public static Optional<Instant> last(UnitName unit) {
    Optional<Instant> noted = asked(unit);
    if (noted.isPresent()) {
      return noted;
    }
    // it may be on its way still
    Command.of("journalctl", "--sync").withDeadline(DEADLINE).runChecked();
    return asked(unit);
  }

  private static Optional<Instant> asked(UnitName unit) {
    return newest(
        List.of(
            "--output-fields=MESSAGE_ID",
            "_PID=1",
            "MESSAGE_ID=" + MESSAGE_ID.toString().replace("-", ""),
            "UNIT=" + unit.value()));
  }

  /**
   * When the kernel itself last told of one in this unit's control group, for a unit of a systemd
   * whose notes do not come to this journal: one in a machine. Of many in a few seconds the kernel
   * tells the first ten.
   *
   * @param since when the unit began
   * @throws StageletException when the journal cannot be asked
   */
  public static Optional<Instant> lastToldByKernel(UnitName unit, Instant since) {
    return newest(
        List.of(
            "--output-fields=_TRANSPORT",
            "_TRANSPORT=kernel",
            "--since=@" + since.getEpochSecond(),
            "--grep=" + toldByKernel(unit)));
  }

  /** {@code oom-kill:constraint=…,task_memcg=/…/ctr-….service/exec-1,task=…} */
  static String toldByKernel(UnitName unit) {
    return "^oom-kill:.*,task_memcg=[^,]*/\\Q%s\\E[/,]".formatted(unit.value());
  }

  private static Optional<Instant> newest(List<String> chosen) {
    List<String> command =
        new ArrayList<>(
            List.of("journalctl", "--quiet", "--no-pager", "--lines=1", "--output=export"));
    command.addAll(chosen);
    Command.Outcome outcome = Command.of(command).withDeadline(DEADLINE).run();
    // with --grep it ends with 1 where nothing matches, and says nothing
    if (outcome.exitCode() != 0 && !outcome.complaint().isEmpty()) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "%s failed with exit code %d: %s"
              .formatted(String.join(" ", command), outcome.exitCode(), outcome.complaint()));
    }
    return timestamp(outcome.text());
  }

  /** The time of an entry in the export format. */
  static Optional<Instant> timestamp(String entry) {
    String field = "__REALTIME_TIMESTAMP=";
    try {
      return entry
          .lines()
          .filter(line -> line.startsWith(field))
          .map(line -> Long.parseLong(line.substring(field.length())))
          .map(microseconds -> Instant.EPOCH.plus(microseconds, ChronoUnit.MICROS))
          .findFirst();
    } catch (NumberFormatException notATime) {
      throw new StageletException(
          ErrorCode.INTERNAL, "journalctl says of an entry: %s".formatted(entry), notATime);
    }
  }
}
