package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.function.IntFunction;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** Mounts in this process's mount namespace ({@code mount(2)}, {@code fsopen(2)}). */
public final class Mounts {
  private static final long MS_REMOUNT = 0x20;
  private static final long MS_BIND = 0x1000;
  private static final long MS_REC = 0x4000;

  private static final int MNT_DETACH = 2;
  private static final int UMOUNT_NOFOLLOW = 8;

  // numbers of system calls, the same on every architecture
  private static final long SYS_OPEN_TREE = 428;
  private static final long SYS_MOVE_MOUNT = 429;
  private static final long SYS_FSOPEN = 430;
  private static final long SYS_FSCONFIG = 431;
  private static final long SYS_FSMOUNT = 432;
  private static final long SYS_MOUNT_SETATTR = 442;

  private static final int FSOPEN_CLOEXEC = 1;
  private static final int FSMOUNT_CLOEXEC = 1;
  private static final int FSCONFIG_SET_FLAG = 0;
  private static final int FSCONFIG_SET_STRING = 1;
  private static final int FSCONFIG_CMD_CREATE = 6;
  private static final int MOVE_MOUNT_F_EMPTY_PATH = 4;
  private static final int OPEN_TREE_CLONE = 1;
  private static final int AT_RECURSIVE = 0x8000;
  private static final long MOUNT_ATTR_IDMAP = 0x100000;

  /** struct mount_attr: what to set, what to clear, propagation, user namespace; 64 bits each. */
  private static final long MOUNT_ATTR_SIZE = 4 * Long.BYTES;

  /** What fsconfig takes as a string, with its end. */
  private static final int FSCONFIG_STRING_MAX = 256;

  /** What mount(2) takes as options, with their end: one page. */
  private static final int OPTIONS_MAX = 4096;

  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

  private static final LibcFunction MOUNT = LibcFunction.of("mount");
  private static final LibcFunction UMOUNT2 = LibcFunction.of("umount2");
  private static final LibcFunction READ = LibcFunction.of("read");

  /** syscall(2) with up to five arguments; those that a call does not have are ignored. */
  private static final LibcFunction SYSCALL = LibcFunction.of("syscall");

  private Mounts() {}

  /** Mounts a filesystem of this type; {@code options} are the filesystem's own, may be empty. */
  public static void mount(
      String type, String source, Path target, Set<MountFlag> flags, String options) {
    call(source, target, type, MountFlag.bits(flags), options);
  }

  /** Shows {@code source} (a file or directory) at {@code target} too. */
  public static void bind(Path source, Path target) {
    call(source.toString(), target, null, MS_BIND, null);
  }

  /** The same, with all that is mounted below {@code source}. */
  public static void bindRecursively(Path source, Path target) {
    call(source.toString(), target, null, MS_BIND | MS_REC, null);
  }

  /**
   * Shows what {@code path} is inside of {@code root} at {@code target} too, with the flags of the
   * mount it is on. No link leads out of {@code root}, and what is mounted inside of it is not
   * there.
   *
   * @param path relative to {@code root}
   * @param target of the same kind, directory or not
   * @throws SystemCallException with ENOENT or ENOTDIR when there is no such thing
   */
  public static void bindConfined(Path root, String path, Path target) {
    try (OverlayPaths paths = new OverlayPaths();
        FileCalls calls = new FileCalls()) {
      int tree = paths.directory(root);
      String raw = new String(path.getBytes(StandardCharsets.UTF_8), StandardCharsets.ISO_8859_1);
      int found = calls.openInRoot(tree, raw, FileCalls.O_PATH);
      if (found < 0) {
        throw new SystemCallException("open", path + " in " + root, -found);
      }
      paths.closeLater(found);
      attach(cloned(found, path + " in " + root, 0, paths), target, paths);
    }
  }

  /**
   * Shows a directory or a file at {@code target} too, its files' owners mapped: id {@code inside}
   * on the disk is id {@code outside} there, for whoever looks and for who makes files. What is
   * mounted below it is shown as it is.
   *
   * @throws SystemCallException with EINVAL when the filesystem cannot do that
   */
  public static void bindIdMapped(Path source, Path target, IdMappings mappings) {
    try (OverlayPaths paths = new OverlayPaths();
        UserNamespace namespace = UserNamespace.of(mappings)) {
      int clone = cloned(paths.either(source), source.toString(), AT_RECURSIVE, paths);
      MemorySegment attributes = paths.arena.allocate(MOUNT_ATTR_SIZE, 8);
      attributes.set(LONG, 0, MOUNT_ATTR_IDMAP);
      attributes.set(LONG, 3 * LONG.byteSize(), namespace.fd());
      long failed =
          syscall(
              SYS_MOUNT_SETATTR,
              clone,
              paths.text("").address(),
              FileCalls.AT_EMPTY_PATH,
              attributes.address(),
              MOUNT_ATTR_SIZE);
      if (failed < 0) {
        throw new SystemCallException(
            "mount_setattr(MOUNT_ATTR_IDMAP)", source.toString(), (int) -failed);
      }
      attach(clone, target, paths);
    }
  }

  private static int cloned(int fd, String what, int flags, OverlayPaths paths) {
    int clone =
        (int)
            syscall(
                SYS_OPEN_TREE,
                fd,
                paths.text("").address(),
                OPEN_TREE_CLONE | FileCalls.O_CLOEXEC | FileCalls.AT_EMPTY_PATH | flags,
                0,
                0);
    if (clone < 0) {
      throw new SystemCallException("open_tree", what, -clone);
    }
    paths.closeLater(clone);
    return clone;
  }

  private static void attach(int mount, Path target, OverlayPaths paths) {
    long moved =
        syscall(
            SYS_MOVE_MOUNT,
            mount,
            paths.text("").address(),
            FileCalls.AT_FDCWD,
            paths.text(target.toString()).address(),
            MOVE_MOUNT_F_EMPTY_PATH);
    if (moved < 0) {
      throw new SystemCallException("move_mount", target.toString(), (int) -moved);
    }
  }

  /**
   * Gives the mount at {@code target} exactly these flags; the filesystem's others mounts keep
   * theirs.
   */
  public static void remount(Path target, Set<MountFlag> flags) {
    call("none", target, null, MS_REMOUNT | MS_BIND | MountFlag.bits(flags), null);
  }

  /** Sets the propagation of the mount at {@code target}. */
  public static void propagation(Path target, MountPropagation propagation) {
    call("none", target, null, propagation.bit(), null);
  }

  /** The same, with all mounts below it. */
  public static void propagationRecursively(Path target, MountPropagation propagation) {
    call("none", target, null, propagation.bit() | MS_REC, null);
  }

  /**
   * Mounts an overlay filesystem. Hundreds of lower directories are fine where the kernel takes
   * them one by one (6.5), and some 200 before.
   */
  public static void overlay(OverlayLayers layers, Path target, Set<MountFlag> flags) {
    try (OverlayPaths paths = new OverlayPaths()) {
      if (!overlayOneByOne(layers, target, flags, paths)) {
        overlayAtOnce(layers, target, flags, paths);
      }
    }
  }

  /**
   * Unmounts the topmost mount at {@code target}; a link there is not followed.
   *
   * @return false when nothing is mounted there, or nothing is there at all
   * @throws SystemCallException with EBUSY when it is in use
   */
  public static boolean unmount(Path target) {
    return unmount(target, UMOUNT_NOFOLLOW);
  }

  /** The same, now for the names and later for those who still use it; never busy. */
  public static boolean detach(Path target) {
    return unmount(target, UMOUNT_NOFOLLOW | MNT_DETACH);
  }

  /** Detaches every mount whose target is chosen, what is mounted further below first. */
  public static void detachAll(Predicate<Path> chosen) {
    MountInfo.all().stream()
        .map(MountInfo::target)
        .filter(chosen)
        .sorted(Comparator.reverseOrder())
        .forEach(Mounts::detach);
  }

  private static boolean unmount(Path target, int flags) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      int result =
          (int) UMOUNT2.call(errno, arena.allocateFrom(target.toString()).address(), flags);
      if (result == 0) {
        return true;
      }
      int error = LibcFunction.errno(errno);
      if (error == Errno.EINVAL || error == Errno.ENOENT) {
        return false;
      }
      throw new SystemCallException("unmount", target.toString(), error);
    } catch (SystemCallException refused) {
      throw refused;
    }
  }

  private static void call(
      String source, Path target, @Nullable String type, long flags, @Nullable String options) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      int result =
          (int)
              MOUNT.call(
                  errno,
                  arena.allocateFrom(source).address(),
                  arena.allocateFrom(target.toString()).address(),
                  orNull(arena, type).address(),
                  flags,
                  orNull(arena, options).address());
      if (result != 0) {
        throw new SystemCallException(
            "mount of " + source,
            "%s at %s".formatted(type == null ? "it" : type, target),
            LibcFunction.errno(errno));
      }
    } catch (SystemCallException refused) {
      throw refused;
    }
  }

  private static MemorySegment orNull(Arena arena, @Nullable String text) {
    return text == null ? MemorySegment.NULL : arena.allocateFrom(text);
  }

  /** Through the new mount calls; false where this kernel lacks them or the option. */
  private static boolean overlayOneByOne(
      OverlayLayers layers, Path target, Set<MountFlag> flags, OverlayPaths paths) {
    int context = (int) syscall(SYS_FSOPEN, paths.text("overlay"), FSOPEN_CLOEXEC, 0, 0, 0);
    if (context == -Errno.ENOSYS) {
      return false;
    }
    if (context < 0) {
      throw new SystemCallException("fsopen", "overlay", -context);
    }
    paths.closeLater(context);
    IntFunction<SystemCallException> refused =
        error ->
            new SystemCallException("overlay mount", target + said(context, paths.arena), error);

    if (set(context, "source", "stagelet", paths) < 0) {
      return false;
    }
    boolean first = true;
    for (Path lower : layers.lower()) {
      int failed = set(context, "lowerdir+", paths.shown(lower, FSCONFIG_STRING_MAX), paths);
      if (failed == -Errno.EINVAL && first) {
        return false;
      }
      if (failed < 0) {
        throw refused.apply(-failed);
      }
      first = false;
    }
    List<String[]> options = new ArrayList<>();
    layers.label().ifPresent(label -> options.add(new String[] {"context", label}));
    layers
        .upper()
        .ifPresent(upper -> {
          options.add(
              new String[] {"upperdir", paths.shown(upper.directory(), FSCONFIG_STRING_MAX)});
          options.add(new String[] {"workdir", paths.shown(upper.work(), FSCONFIG_STRING_MAX)});
          options.add(new String[] {"index", "off"});
        });
    for (String[] option : options) {
      int failed = set(context, option[0], option[1], paths);
      if (failed < 0) {
        throw refused.apply(-failed);
      }
    }
    if (layers.temporary() && layers.upper().isPresent()) {
      long failed =
          syscall(SYS_FSCONFIG, context, FSCONFIG_SET_FLAG, paths.text("volatile").address(), 0, 0);
      if (failed < 0) {
        throw refused.apply((int) -failed);
      }
    }
    long created = syscall(SYS_FSCONFIG, context, FSCONFIG_CMD_CREATE, 0, 0, 0);
    if (created < 0) {
      throw refused.apply((int) -created);
    }
    int mount =
        (int) syscall(SYS_FSMOUNT, context, FSMOUNT_CLOEXEC, MountFlag.attributes(flags), 0, 0);
    if (mount < 0) {
      throw refused.apply(-mount);
    }
    paths.closeLater(mount);
    attach(mount, target, paths);
    return true;
  }

  private static int set(int context, String key, String value, OverlayPaths paths) {
    return (int)
        syscall(
            SYS_FSCONFIG,
            context,
            FSCONFIG_SET_STRING,
            paths.text(key).address(),
            paths.text(value).address(),
            0);
  }

  /** Through mount(2), with all options in one page. */
  static void overlayAtOnce(
      OverlayLayers layers, Path target, Set<MountFlag> flags, OverlayPaths paths) {
    // the shortest name a directory can have: its descriptor's
    StringBuilder options = new StringBuilder("lowerdir=");
    for (Path lower : layers.lower()) {
      options.append(paths.shown(lower, 0)).append(':');
    }
    options.setLength(options.length() - 1);
    layers
        .upper()
        .ifPresent(upper ->
            options
                .append(",upperdir=")
                .append(paths.shown(upper.directory(), 0))
                .append(",workdir=")
                .append(paths.shown(upper.work(), 0))
                .append(",index=off"));
    if (layers.temporary() && layers.upper().isPresent()) {
      options.append(",volatile");
    }
    // its categories have commas in them
    layers.label().ifPresent(label -> options.append(",context=\"").append(label).append('"'));
    if (options.length() >= OPTIONS_MAX) {
      throw new StageletException(
          ErrorCode.RESOURCE_EXHAUSTED,
          "cannot mount %s: %d layers are more than this kernel takes; Linux 6.5 and later take 500"
              .formatted(target, layers.lower().size()));
    }
    call("stagelet", target, "overlay", MountFlag.bits(flags), options.toString());
  }

  /** What the kernel has to say of a failed mount, from its context's log ("e overlay: ..."). */
  private static String said(int context, Arena arena) {
    StringBuilder said = new StringBuilder();
    MemorySegment errno = LibcFunction.errnoSegment(arena);
    MemorySegment buffer = arena.allocate(1024);
    for (int messages = 0; messages < 8; messages++) {
      long length = READ.call(errno, context, buffer.address(), buffer.byteSize());
      if (length <= 0) {
        break;
      }
      byte[] bytes = buffer.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE);
      said.append(said.isEmpty() ? " (the kernel says: " : "; ")
          .append(new String(bytes, StandardCharsets.UTF_8).strip());
    }
    return said.isEmpty() ? "" : said.append(')').toString();
  }

  private static long syscall(
      long number, MemorySegment first, long second, long third, long fourth, long fifth) {
    return syscall(number, first.address(), second, third, fourth, fifth);
  }

  private static long syscall(
      long number, long first, long second, long third, long fourth, long fifth) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      long result = SYSCALL.call(errno, number, first, second, third, fourth, fifth);
      return result < 0 ? -LibcFunction.errno(errno) : result;
    }
  }

  /** The strings and descriptors of one overlay mount, until it is done. */
  static final class OverlayPaths implements AutoCloseable {
    private final Arena arena = Arena.ofConfined();
    private final FileCalls calls = new FileCalls();
    private final List<Integer> open = new ArrayList<>();

    MemorySegment text(String text) {
      return arena.allocateFrom(text);
    }

    void closeLater(int fd) {
      open.add(fd);
    }

    /**
     * A name for the kernel: the path itself where it fits and needs no escapes, or else that of a
     * descriptor for it.
     */
    String shown(Path path, int limit) {
      String name = path.toAbsolutePath().toString();
      boolean plain = name.chars().noneMatch(c -> c == ':' || c == ',' || c == '\\' || c > 126);
      if (plain && name.length() < limit) {
        return name;
      }
      return "/proc/self/fd/" + directory(path);
    }

    /** A descriptor for a directory, closed with this. */
    int directory(Path path) {
      return opened(path, FileCalls.O_DIRECTORY);
    }

    /** The same for a directory or a file. */
    int either(Path path) {
      return opened(path, 0);
    }

    private int opened(Path path, int flags) {
      String name = path.toAbsolutePath().toString();
      int fd =
          calls.openat(
              FileCalls.AT_FDCWD,
              new String(name.getBytes(StandardCharsets.UTF_8), StandardCharsets.ISO_8859_1),
              FileCalls.O_PATH | flags,
              0);
      if (fd < 0) {
        throw new SystemCallException("open", name, -fd);
      }
      open.add(fd);
      return fd;
    }

    @Override
    public void close() {
      open.forEach(calls::closeDescriptor);
      calls.close();
      arena.close();
    }
  }
}
