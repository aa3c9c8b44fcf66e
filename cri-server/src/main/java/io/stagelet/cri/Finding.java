package io.stagelet.cri;

import java.util.Optional;

/**
 * Something that is not as it should be.
 *
 * @param subject what it is about: a unit, a directory, a sandbox
 * @param words what is wrong, and what to do
 * @param repair what brings it in order, if anything does
 * @param endsWhatRuns whether the repair is the end of something that runs and kubelet knows: then
 *     it takes more than the wish to have all in order
 */
record Finding(
    Kind kind, String subject, String words, Optional<Runnable> repair, boolean endsWhatRuns) {
  /** What is wrong. */
  enum Kind {
    /** A record cannot be read, and has a good copy. */
    RECORD_DAMAGED(true),
    /** A record is set aside: nobody knows what it told. */
    RECORD_SET_ASIDE(false),
    /** A unit runs whose sandbox or container nobody knows. */
    UNKNOWN_UNIT(true),
    /** A directory, with what is mounted in it, is left of a sandbox or container nobody knows. */
    LEFTOVER(true),
    /** The record and systemd do not say the same. */
    STATE(false),
    /** A mount or network namespace that must be there is not. */
    MISSING(false),
    /** A plugin says that a sandbox's network is not as it made it. */
    NETWORK(false),
    /** An address is taken for a sandbox that nobody knows. */
    LEASE(false),
    /** An address is taken for nobody, as its plugin was killed while it took it. */
    LEASE_CUT_OFF(true);

    private final boolean repairedAtStart;

    Kind(boolean repairedAtStart) {
      this.repairedAtStart = repairedAtStart;
    }

    /** Whether the server repairs it when it starts, without being asked. */
    boolean isRepairedAtStart() {
      return repairedAtStart;
    }

    /** Its name as it is printed. */
    String word() {
      return name().toLowerCase(java.util.Locale.ROOT).replace('_', '-');
    }
  }

  Finding(Kind kind, String subject, String words, Runnable repair) {
    this(kind, subject, words, Optional.of(repair), false);
  }

  /** One whose repair is the end of a pod or container. */
  static Finding ending(Kind kind, String subject, String words, Runnable end) {
    return new Finding(
        kind,
        subject,
        words + "; --end-broken ends it, and kubelet makes it anew",
        Optional.of(end),
        true);
  }

  /** Whether another look found the same. */
  boolean isSameAs(Finding other) {
    return kind == other.kind && subject.equals(other.subject);
  }
}
