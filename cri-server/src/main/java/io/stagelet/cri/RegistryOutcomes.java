package io.stagelet.cri;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.ImageReference;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

/**
 * How the last pull from each registry ended: nobody asks a registry only to know whether it is
 * there. Safe from any thread.
 */
final class RegistryOutcomes {
  private static final int MOST = 100;

  /** A registry that nobody has asked for so long may be well again, or one that never was. */
  private static final Duration REMEMBERED = Duration.ofHours(1);

  private final Clock clock;
  private final Map<String, Failure> failures = new ConcurrentHashMap<>();

  /** A pull that a registry's fault ended. */
  record Failure(Instant at, String image, String reason) {}

  RegistryOutcomes(Clock clock) {
    this.clock = clock;
  }

  /** A pull was done. */
  void done(String image) {
    failures.remove(domain(image));
  }

  /** A pull failed; what is not the registry's fault is not noted. */
  void failed(String image, StageletException failure) {
    forgetTheOld();
    if (failure.code() == ErrorCode.UNAVAILABLE && failures.size() < MOST) {
      failures.put(
          domain(image), new Failure(clock.instant(), image, StageletException.reason(failure)));
    }
  }

  /** By registry, those whose last pull failed, within the last hour. */
  Map<String, Failure> failures() {
    forgetTheOld();
    return failures.entrySet().stream()
        .collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue));
  }

  private void forgetTheOld() {
    Instant old = clock.instant().minus(REMEMBERED);
    boolean _ = failures.values().removeIf(failure -> failure.at().isBefore(old));
  }

  private static String domain(String image) {
    try {
      return ImageReference.parse(image).domain();
    } catch (StageletException unreadable) {
      return "";
    }
  }
}
