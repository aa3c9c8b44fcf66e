package io.stagelet.cri;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ExecPlan;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * An image's users and groups ({@code passwd(5)}, {@code group(5)}). Lines that are not of the form
 * are passed over, as the C library does.
 */
final class UserDatabase {
  private record User(String name, long uid, long gid) {}

  private record Group(String name, long gid, List<String> members) {}

  private final List<User> users;
  private final List<Group> groups;

  /** The databases' texts; empty where the image has none. */
  UserDatabase(String passwd, String group) {
    this.users = entries(passwd, 7, f -> new User(f[0], number(f[2]), number(f[3])));
    this.groups = entries(group, 4, f -> new Group(f[0], number(f[2]), List.of(f[3].split(","))));
  }

  /**
   * Who a container runs as: the security context first, then the image.
   *
   * @param imageUser the image's {@code User}: {@code user[:group]}, each a name or a number; empty
   *     for root
   * @throws StageletException {@code INVALID_ARGUMENT} when a name is not known, or a group is
   *     given without a user
   */
  ExecPlan.User resolve(ContainerRequest.Security security, String imageUser) {
    if (security.groupId().isPresent()
        && security.userId().isEmpty()
        && security.userName().isEmpty()) {
      throw invalid("run_as_group is set without run_as_user or run_as_username");
    }
    String asked = security.userId().map(String::valueOf).orElse(security.userName());
    boolean fromImage = asked.isEmpty();
    String[] parts = (fromImage ? imageUser : asked).split(":", 2);
    String userPart = parts[0].isEmpty() ? "0" : parts[0];
    Optional<User> user =
        isNumber(userPart)
            ? users.stream().filter(candidate -> candidate.uid() == number(userPart)).findFirst()
            : Optional.of(
                users.stream()
                    .filter(candidate -> candidate.name().equals(userPart))
                    .findFirst()
                    .orElseThrow(() ->
                        invalid(
                            "the image has no user '%s' in its /etc/passwd".formatted(userPart))));
    long uid = user.map(User::uid).orElseGet(() -> number(userPart));
    long gid = user.map(User::gid).orElse(0L);
    if (fromImage && parts.length == 2 && !parts[1].isEmpty()) {
      gid = group(parts[1]);
    }
    gid = security.groupId().orElse(gid);
    TreeSet<Long> additional = new TreeSet<>(security.supplementalGroups());
    if (!security.strictGroups()) {
      user.map(User::name)
          .ifPresent(name ->
              groups.stream()
                  .filter(g -> g.members().contains(name))
                  .map(Group::gid)
                  .forEach(additional::add));
    }
    return new ExecPlan.User(uid, gid, new ArrayList<>(additional));
  }

  private long group(String nameOrNumber) {
    if (isNumber(nameOrNumber)) {
      return number(nameOrNumber);
    }
    return groups.stream()
        .filter(candidate -> candidate.name().equals(nameOrNumber))
        .findFirst()
        .orElseThrow(
            () -> invalid("the image has no group '%s' in its /etc/group".formatted(nameOrNumber)))
        .gid();
  }

  private static <T> List<T> entries(String text, int fields, Function<String[], T> entry) {
    return text.lines()
        .map(line -> line.split(":", -1))
        .filter(parts ->
            parts.length >= fields && isNumber(parts[2]) && (fields == 4 || isNumber(parts[3])))
        .flatMap(parts -> Stream.of(entry.apply(parts)))
        .toList();
  }

  private static boolean isNumber(String text) {
    return text.matches("[0-9]{1,10}") && Long.parseLong(text) <= 0xffff_ffffL;
  }

  private static long number(String text) {
    return Long.parseLong(text);
  }

  private static StageletException invalid(String why) {
    return new StageletException(ErrorCode.INVALID_ARGUMENT, why);
  }
}
