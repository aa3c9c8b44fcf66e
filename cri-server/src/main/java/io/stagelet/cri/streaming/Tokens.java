package io.stagelet.cri.streaming;

import io.stagelet.journal.Story;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * What was asked for over the CRI and not begun yet. A token is good once, and for a minute; any
 * thread may call.
 */
final class Tokens {
  private static final Duration LIFE = Duration.ofMinutes(1);
  private static final int BYTES = 18;
  private static final int MOST = 10_000;

  /**
   * What a token stands for.
   *
   * @param about the journal fields of the call that asked for it
   */
  record Asked(StreamRequest request, Map<String, String> about) {}

  private record Issued(Asked asked, Instant until) {}

  private final Clock clock;
  private final SecureRandom random;

  /** In the order of their ends. */
  private final Map<String, Issued> issued = new LinkedHashMap<>();

  Tokens(Clock clock, SecureRandom random) {
    this.clock = clock;
    this.random = random;
  }

  /**
   * A token for a request.
   *
   * @throws StageletException {@code RESOURCE_EXHAUSTED} when too many wait to be used
   */
  synchronized String issue(StreamRequest request) {
    Instant now = clock.instant();
    issued.values().removeIf(old -> !now.isBefore(old.until()));
    if (issued.size() >= MOST) {
      throw new StageletException(
          ErrorCode.RESOURCE_EXHAUSTED,
          "%d streaming requests of the last minute have not been used; try again"
              .formatted(issued.size()));
    }
    byte[] bytes = new byte[BYTES];
    random.nextBytes(bytes);
    String token = Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
    issued.put(token, new Issued(new Asked(request, Story.fields()), now.plus(LIFE)));
    return token;
  }

  /** The request of a token of that kind; the token is used up. */
  synchronized Optional<Asked> redeem(String kind, String token) {
    Issued found = issued.get(token);
    if (found == null || !found.asked().request().kind().equals(kind)) {
      return Optional.empty();
    }
    issued.remove(token);
    return clock.instant().isBefore(found.until()) ? Optional.of(found.asked()) : Optional.empty();
  }

  /** How many wait to be used. */
  synchronized int size() {
    return issued.size();
  }
}
