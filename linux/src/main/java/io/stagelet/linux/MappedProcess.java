package io.stagelet.linux;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * A child process that does nothing but be in namespaces of its own, a user namespace with mapped
 * ids among them ({@code unshare(1)}). It is killed when this is closed.
 */
final class MappedProcess implements AutoCloseable {
  private static final String STAYS = "echo made; read -r end";
  private static final long PATIENCE_SECONDS = 10;

  private final Process child;

  private MappedProcess(Process child) {
    this.child = child;
  }

  /**
   * Starts one.
   *
   * @param options of unshare(1), such as {@code --user}
   * @throws StageletException {@code UNIMPLEMENTED} when there can be no user namespaces here
   */
  static MappedProcess start(List<String> options, IdMappings ids) {
    List<String> command = new ArrayList<>(List.of("unshare"));
    command.addAll(options);
    command.addAll(List.of("sh", "-c", STAYS));
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().clear();
    builder
        .environment()
        .putAll(Map.of("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
    builder.redirectError(ProcessBuilder.Redirect.DISCARD);
    try {
      MappedProcess started = new MappedProcess(builder.start());
      boolean ready = false;
      try {
        started.awaitAndMap(ids);
        ready = true;
      } finally {
        if (!ready) {
          started.close();
        }
      }
      return started;
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not make a user namespace with %s: %s"
              .formatted(ids, StageletException.reason(failure)),
          failure);
    }
  }

  private void awaitAndMap(IdMappings ids) throws IOException {
    InputStream output = child.getInputStream();
    // its end closes the output too: nothing is waited for in vain
    if (output.read() < 0) {
      throw new StageletException(
          ErrorCode.UNIMPLEMENTED,
          "user namespaces cannot be made here (unshare --user failed); is user.max_user_namespaces 0?");
    }
    Path process = Path.of("/proc", String.valueOf(child.pid()));
    Files.writeString(process.resolve("uid_map"), lines(ids.users()));
    Files.writeString(process.resolve("gid_map"), lines(ids.groups()));
  }

  private static String lines(List<IdMapping> ranges) {
    return ranges.stream().map(IdMapping::line).collect(Collectors.joining());
  }

  /** One of its namespaces, by its file's name below {@code /proc/PID/ns}. */
  Path namespace(String file) {
    return Path.of("/proc", String.valueOf(child.pid()), "ns", file);
  }

  @Override
  public void close() {
    child.destroyForcibly();
    boolean interrupted = false;
    try {
      boolean _ = child.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException later) {
      // it is killed, and the JDK collects it
      interrupted = true;
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
