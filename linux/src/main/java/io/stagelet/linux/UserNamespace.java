package io.stagelet.linux;

import java.nio.file.Path;
import java.util.List;

/**
 * A user namespace that nobody lives in: it only says how ids are mapped, for mounts. A process
 * with many threads cannot make one, so a child does, which has ended before this is returned.
 */
final class UserNamespace implements AutoCloseable {
  private final FileCalls calls;
  private final int fd;

  private UserNamespace(FileCalls calls, int fd) {
    this.calls = calls;
    this.fd = fd;
  }

  /** A namespace with these mappings. Close it; mounts made with it keep it. */
  static UserNamespace of(IdMappings mappings) {
    try (MappedProcess child = MappedProcess.start(List.of("--user"), mappings)) {
      return open(child.namespace("user"));
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
