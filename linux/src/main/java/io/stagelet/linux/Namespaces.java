package io.stagelet.linux;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/**
 * Network, IPC and UTS namespaces ({@code namespaces(7)}), made and entered without a subprocess.
 *
 * <p>{@code unshare(2)} and {@code setns(2)} change the calling thread only, for these kinds. So
 * the work is done on a platform thread of its own, which is never used again and takes its
 * namespaces with it when it ends; what is to stay is pinned by a bind mount. Mount and PID
 * namespaces cannot be had this way.
 */
public final class Namespaces {
  /** The kinds that a single thread can change. */
  public enum Kind {
    NETWORK("net", 0x4000_0000),
    IPC("ipc", 0x0800_0000),
    UTS("uts", 0x0400_0000),

    /** Cannot be entered or made by a thread; see {@link #createMapped}. */
    USER("user", 0x1000_0000);

    private final String file;
    private final int flag;

    Kind(String file, int flag) {
      this.file = file;
      this.flag = flag;
    }

    /** The name of its file below {@code /proc/PID/ns}. */
    public String file() {
      return file;
    }
  }

  /** What is done inside new namespaces before they are pinned. */
  @FunctionalInterface
  public interface SetUp {
    void run() throws Exception;
  }

  private static final int SOCKET_INTERNET = 2;
  private static final int SOCKET_DATAGRAM = 2 | 0x80000; // SOCK_DGRAM | SOCK_CLOEXEC
  private static final long SIOCGIFFLAGS = 0x8913;
  private static final long SIOCSIFFLAGS = 0x8914;
  private static final short IFF_UP = 1;
  private static final int IFREQ_SIZE = 40;
  private static final int IFREQ_FLAGS = 16;
  private static final int OPEN_READ_ONLY = 0x80000; // O_RDONLY | O_CLOEXEC

  private static final LibcFunction UNSHARE = LibcFunction.of("unshare");
  private static final LibcFunction SETNS = LibcFunction.of("setns");
  private static final LibcFunction SETHOSTNAME = LibcFunction.of("sethostname");
  private static final LibcFunction SOCKET = LibcFunction.of("socket");
  private static final LibcFunction IOCTL = LibcFunction.of("ioctl");
  private static final LibcFunction OPEN = LibcFunction.of("open");
  private static final LibcFunction CLOSE = LibcFunction.of("close");

  private Namespaces() {}

  /**
   * Makes new namespaces and pins each of them to a file.
   *
   * @param pins where each is pinned; the files are made, their directory exists
   * @param setUp runs inside the new namespaces, on their thread; {@link #hostname}, {@link
   *     #sysctl} and {@link #loopbackUp} are meant for it
   * @throws StageletException when one cannot be made or set up; then none is pinned
   */
  public static void create(Map<Kind, Path> pins, SetUp setUp) {
    Map<Kind, Path> ordered = new LinkedHashMap<>(pins);
    onItsOwnThread(
        "make namespaces " + ordered.keySet(),
        () -> {
          unshare(ordered.keySet().stream().mapToInt(kind -> kind.flag).reduce(0, (a, b) -> a | b));
          setUp.run();
          try (CleanupStack undo = new CleanupStack()) {
            for (Map.Entry<Kind, Path> pin : ordered.entrySet()) {
              Files.write(pin.getValue(), new byte[0], StandardOpenOption.CREATE);
              Mounts.bind(Path.of("/proc/thread-self/ns", pin.getKey().file()), pin.getValue());
              undo.push("unpin " + pin.getValue(), () -> unpin(pin.getValue()));
            }
            undo.keep();
          }
          return pins;
        });
  }

  /**
   * The same with a user namespace, which the others then belong to. A process with many threads
   * cannot make one: a child does, which has ended when this returns.
   *
   * @param ids the users and groups of the user namespace
   * @param pins where each is pinned, {@link Kind#USER} among them
   */
  public static void createMapped(IdMappings ids, Map<Kind, Path> pins, SetUp setUp) {
    try (CleanupStack undo = new CleanupStack()) {
      try (MappedProcess child =
          MappedProcess.start(
              pins.keySet().stream().map(kind -> "--" + kind.file()).toList(), ids)) {
        for (Map.Entry<Kind, Path> pin : pins.entrySet()) {
          Files.write(pin.getValue(), new byte[0], StandardOpenOption.CREATE);
          Mounts.bind(child.namespace(pin.getKey().file()), pin.getValue());
          undo.push("unpin " + pin.getValue(), () -> unpin(pin.getValue()));
        }
      } catch (IOException failure) {
        throw new StageletException(
            ErrorCode.INTERNAL,
            "could not pin namespaces %s: %s"
                .formatted(pins.keySet(), StageletException.reason(failure)),
            failure);
      }
      onItsOwnThread(
          "set up namespaces " + pins.keySet(),
          () -> {
            for (Map.Entry<Kind, Path> pin : pins.entrySet()) {
              if (pin.getKey() != Kind.USER) {
                enter(pin.getKey(), pin.getValue());
              }
            }
            setUp.run();
            return pins;
          });
      undo.keep();
    }
  }

  /**
   * Pins namespaces that a process has, and sets them up.
   *
   * @param pid of the process
   * @param pins where each is pinned; the files are made, their directory exists
   * @param setUp runs inside them, as with {@link #create}
   * @throws StageletException when one cannot be pinned or set up; then none is pinned
   */
  public static void pin(int pid, Map<Kind, Path> pins, SetUp setUp) {
    onItsOwnThread(
        "pin namespaces %s of process %d".formatted(pins.keySet(), pid),
        () -> {
          try (CleanupStack undo = new CleanupStack()) {
            for (Map.Entry<Kind, Path> pin : pins.entrySet()) {
              Files.write(pin.getValue(), new byte[0], StandardOpenOption.CREATE);
              Mounts.bind(
                  Path.of("/proc", String.valueOf(pid), "ns", pin.getKey().file()), pin.getValue());
              undo.push("unpin " + pin.getValue(), () -> unpin(pin.getValue()));
            }
            for (Map.Entry<Kind, Path> pin : pins.entrySet()) {
              enter(pin.getKey(), pin.getValue());
            }
            setUp.run();
            undo.keep();
          }
          return pins;
        });
  }

  /**
   * Takes a pin away and removes its file; fine when it is gone. The namespace ends with its last
   * process.
   */
  public static void unpin(Path pin) {
    Mounts.detach(pin);
    try {
      Files.deleteIfExists(pin);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not remove %s: %s".formatted(pin, StageletException.reason(failure)),
          failure);
    }
  }

  /**
   * Runs {@code work} inside the namespace pinned at {@code pin}.
   *
   * @throws StageletException what {@code work} throws as such, or its failure wrapped
   */
  public static <T> T inside(Kind kind, Path pin, Callable<T> work) {
    return onItsOwnThread(
        "enter " + pin,
        () -> {
          enter(kind, pin);
          return work.call();
        });
  }

  /**
   * Runs {@code work} inside each of the namespaces pinned at {@code pins}, one after the other and
   * all on one thread: for many, most of the time would go to the threads.
   *
   * @return what it gave for each; none for a namespace that cannot be entered, as it is gone
   */
  public static <T> Map<Path, T> insideEach(Kind kind, List<Path> pins, Callable<T> work) {
    return onItsOwnThread(
        "enter %d namespaces".formatted(pins.size()),
        () -> {
          Map<Path, T> results = new HashMap<>();
          for (Path pin : pins) {
            if (entered(kind, pin)) {
              results.put(pin, work.call());
            }
          }
          return results;
        });
  }

  private static boolean entered(Kind kind, Path pin) {
    try {
      enter(kind, pin);
      return true;
    } catch (SystemCallException gone) {
      return false;
    }
  }

  /**
   * Sets the host name of this thread's UTS namespace ({@code sethostname(2)}; at most 64 bytes).
   */
  public static void hostname(String name) {
    byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      MemorySegment text = arena.allocateFrom(ValueLayout.JAVA_BYTE, bytes);
      check(
          (int) SETHOSTNAME.call(errno, text.address(), bytes.length), errno, "sethostname", name);
    }
  }

  /**
   * Sets a kernel parameter of this thread's namespaces.
   *
   * @param name dotted, or with slashes where a part of it has a dot ({@code sysctl.d(5)})
   * @throws StageletException {@code INVALID_ARGUMENT} when there is no such parameter or it
   *     refuses the value
   */
  public static void sysctl(String name, String value) {
    String relative = name.indexOf('/') >= 0 ? name : name.replace('.', '/');
    Path root = Path.of("/proc/sys");
    Path file = root.resolve(relative).normalize();
    if (!file.startsWith(root) || file.equals(root)) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT, "'%s' is not the name of a sysctl".formatted(name));
    }
    try {
      Files.writeString(file, value, StandardOpenOption.WRITE);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "could not set the sysctl %s to '%s': %s"
              .formatted(name, value, StageletException.reason(failure)),
          failure);
    }
  }

  /** Brings up the loopback interface of this thread's network namespace ({@code netdevice(7)}). */
  public static void loopbackUp() {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      int socket =
          check(
              (int) SOCKET.call(errno, SOCKET_INTERNET, SOCKET_DATAGRAM, 0),
              errno,
              "socket",
              "AF_INET");
      try {
        MemorySegment request = arena.allocate(IFREQ_SIZE, 8);
        request.setString(0, "lo");
        check(
            (int) IOCTL.call(errno, socket, SIOCGIFFLAGS, request.address()),
            errno,
            "ioctl(SIOCGIFFLAGS)",
            "lo");
        short flags = request.get(ValueLayout.JAVA_SHORT, IFREQ_FLAGS);
        request.set(ValueLayout.JAVA_SHORT, IFREQ_FLAGS, (short) (flags | IFF_UP));
        check(
            (int) IOCTL.call(errno, socket, SIOCSIFFLAGS, request.address()),
            errno,
            "ioctl(SIOCSIFFLAGS)",
            "lo");
      } finally {
        check((int) CLOSE.call(errno, socket), errno, "close", "a socket");
      }
    }
  }

  private static void unshare(int flags) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      check((int) UNSHARE.call(errno, flags), errno, "unshare", "namespaces");
    }
  }

  private static void enter(Kind kind, Path pin) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      MemorySegment path = arena.allocateFrom(pin.toString());
      int fd =
          check(
              (int) OPEN.call(errno, path.address(), OPEN_READ_ONLY),
              errno,
              "open",
              pin.toString());
      try {
        check((int) SETNS.call(errno, fd, kind.flag), errno, "setns", pin.toString());
      } finally {
        check((int) CLOSE.call(errno, fd), errno, "close", pin.toString());
      }
    }
  }

  /**
   * The work is short: an interrupt of the caller waits until it is done, so that nobody has to
   * guess how far it got.
   */
  private static <T> T onItsOwnThread(String what, Callable<T> work) {
    FutureTask<T> task = new FutureTask<>(work);
    Thread.ofPlatform().name("namespace").daemon().start(task);
    boolean interrupted = false;
    try {
      while (true) {
        try {
          return task.get();
        } catch (InterruptedException later) {
          interrupted = true;
        }
      }
    } catch (ExecutionException failure) {
      if (failure.getCause() instanceof StageletException known) {
        throw known;
      }
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not %s: %s".formatted(what, StageletException.reason(failure)),
          failure);
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  private static int check(int result, MemorySegment errno, String call, String subject) {
    if (result < 0) {
      throw new SystemCallException(call, subject, LibcFunction.errno(errno));
    }
    return result;
  }
}
