package io.stagelet.linux;

import java.util.List;

/**
 * How a user namespace's ids are this machine's ids.
 *
 * @param users at least one range
 * @param groups at least one range
 */
public record IdMappings(List<IdMapping> users, List<IdMapping> groups) {
  public IdMappings {
    users = List.copyOf(users);
    groups = List.copyOf(groups);
    if (users.isEmpty() || groups.isEmpty()) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT, "a mapping of ids needs a range of users and one of groups");
    }
  }

  /**
   * What the user {@code inside} is on this machine.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} when it is in no range
   */
  public long user(long inside) {
    return outside(users, inside, "user");
  }

  /** The same, of a group. */
  public long group(long inside) {
    return outside(groups, inside, "group");
  }

  private static long outside(List<IdMapping> ranges, long inside, String kind) {
    for (IdMapping range : ranges) {
      if (inside >= range.inside() && inside < range.inside() + range.length()) {
        return range.outside() + (inside - range.inside());
      }
    }
    throw new StageletException(
        ErrorCode.INVALID_ARGUMENT, "%s %d is not mapped by %s".formatted(kind, inside, ranges));
  }
}
