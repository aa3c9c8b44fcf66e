package io.stagelet.units;

import io.stagelet.linux.Descriptors;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * The descriptors systemd started this process with ({@code sd_listen_fds(3)}): sockets it listens
 * on for this service, and those kept in its descriptor store.
 */
public final class SocketActivation {
  private static final int FIRST = 3;
  private static final Pattern COUNT = Pattern.compile("\\d{1,5}");

  private SocketActivation() {}

  /**
   * Takes over the descriptors that were meant for this process; programs it runs do not get them.
   * To be called once, at start.
   *
   * @param environment of this process ({@code System.getenv()})
   * @param pid of this process
   * @return them in systemd's order; none when it was started in another way, or they are meant for
   *     another process
   * @throws StageletException {@code INVALID_ARGUMENT} when the variables contradict each other, or
   *     name a descriptor that is not open
   */
  public static List<InheritedDescriptor> take(Map<String, String> environment, long pid) {
    String count = environment.get("LISTEN_FDS");
    if (count == null || !Long.toString(pid).equals(environment.get("LISTEN_PID"))) {
      return List.of();
    }
    if (!COUNT.matcher(count).matches()) {
      throw wrong("LISTEN_FDS is '%s', which is no number".formatted(count));
    }
    int descriptors = Integer.parseInt(count);
    String names = environment.get("LISTEN_FDNAMES");
    String[] name = names == null ? new String[0] : names.split(":", -1);
    if (names != null && descriptors > 0 && name.length != descriptors) {
      throw wrong(
          "LISTEN_FDS says %d and LISTEN_FDNAMES names %d".formatted(descriptors, name.length));
    }
    List<InheritedDescriptor> taken = new ArrayList<>();
    for (int i = 0; i < descriptors; i++) {
      int fd = FIRST + i;
      if (!Descriptors.isOpen(fd)) {
        throw wrong("LISTEN_FDS says %d, and descriptor %d is not open".formatted(descriptors, fd));
      }
      Descriptors.setCloseOnExec(fd);
      taken.add(new InheritedDescriptor(fd, names == null ? "unknown" : name[i]));
    }
    return List.copyOf(taken);
  }

  private static StageletException wrong(String reason) {
    return new StageletException(
        ErrorCode.INVALID_ARGUMENT,
        "the descriptors this process was started with cannot be taken over: " + reason);
  }
}
