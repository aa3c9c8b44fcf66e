package io.stagelet.linux;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * A user namespace that nobody lives in: it only says how ids are mapped, for mounts. A process
 * with many threads cannot make one, so a child does, which has ended before this is returned.
 */
final class UserNamespace implements AutoCloseable {
  private static final String STAYS = "echo made; read -r end";
  private static final long PATIENCE_SECONDS = 10;

  private final FileCalls calls;
  private final int fd;

  private UserNamespace(FileCalls calls, int fd) {
    this.calls = calls;
    this.fd = fd;
  }

  /** A namespace with these mappings. Close it; mounts made with it keep it. */
  static UserNamespace of(IdMappings mappings) {
    ProcessBuilder builder = new ProcessBuilder(List.of("unshare", "--user", "sh", "-c", STAYS));
    builder.environment().clear();
    builder
        .environment()
        .putAll(Map.of("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
    builder.redirectError(ProcessBuilder.Redirect.DISCARD);
    try {
      Process child = builder.start();
      try (InputStream output = child.getInputStream();
          var input = child.getOutputStream()) {
        // its end closes the output too: nothing is waited for in vain
        if (output.read() < 0) {
          throw new StageletException(
              ErrorCode.UNIMPLEMENTED,
              "user namespaces cannot be made here (unshare --user failed); is user.max_user_namespaces 0?");
        }
        Path process = Path.of("/proc", String.valueOf(child.pid()));
        Files.writeString(process.resolve("uid_map"), lines(mappings.users()));
        Files.writeString(process.resolve("gid_map"), lines(mappings.groups()));
        UserNamespace opened = open(process.resolve("ns/user"));
        input.flush();
        return opened;
      } finally {
        end(child);
      }
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not make a user namespace with %s: %s"
              .formatted(mappings, StageletException.reason(failure)),
          failure);
    }
  }

  private static UserNamespace open(Path file) {
    FileCalls calls = new FileCalls();
    int fd = calls.openat(FileCalls.AT_FDCWD, file.toString(), FileCalls.O_RDONLY, 0);
    if (fd < 0) {
      calls.close();
      throw new SystemCallException("open", file.toString(), -fd);
    }
    return new UserNamespace(calls, fd);
  }

  private static String lines(List<IdMapping> ranges) {
    return ranges.stream().map(IdMapping::line).collect(Collectors.joining());
  }

  private static void end(Process child) {
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

  /** For mount_setattr(2); good until it is closed. */
  int fd() {
    return fd;
  }

  @Override
  public void close() {
    calls.closeDescriptor(fd);
    calls.close();
  }
}
