package io.stagelet.linux;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Writes a directory tree of which nothing ever gets outside of its root, whatever the names, the
 * symbolic links and their order say: every path is resolved by {@code openat2(2)} with {@code
 * RESOLVE_IN_ROOT}, as if the root were "/".
 *
 * <p>Later entries replace earlier ones of the same name, except that a directory stays when a
 * directory follows. Directories that nobody described are made with mode 0755. Removed names are
 * overlayfs whiteouts.
 *
 * <p>Needs root's capabilities. For the thread that opened it: memory and descriptors belong to
 * that thread's use.
 */
public final class ConfinedTree implements AutoCloseable {
  /** A device's kind. */
  public enum Device {
    CHARACTER(FileCalls.S_IFCHR),
    BLOCK(FileCalls.S_IFBLK);

    private final int type;

    Device(int type) {
      this.type = type;
    }
  }

  /**
   * Room that the tree takes.
   *
   * @param bytes of file content, rounded up to whole blocks, and of directories
   * @param inodes files, directories, links and devices
   */
  public record Room(long bytes, long inodes) {}

  private static final String OPAQUE = "trusted.overlay.opaque";
  private static final byte[] YES = {'y'};

  /** Names with this start are ours alone: a layer cannot make them, see {@link #notReserved}. */
  private static final String RESERVED = ".wh..wh.";

  private static final int OPEN_PARENTS = 128;
  private static final int LINKS_FOLLOWED = 40;
  private static final int BLOCK = 4096;
  private static final int DEFAULT_DIRECTORY_MODE = 0755;

  private record Times(long seconds, int nanos) {}

  private final Path root;
  private final FileCalls calls;
  private final int rootFd;
  private final LinkedHashMap<String, Integer> parents;
  private final Map<TreePath, Times> directoryTimes = new LinkedHashMap<>();
  private final Set<TreePath> implicit = new LinkedHashSet<>();
  private final Set<String> refusedXattrs = new LinkedHashSet<>();
  private long bytes = BLOCK;
  private long inodes = 1;
  private final long asideMark = System.nanoTime();
  private int removed;
  private boolean opaqueRoot;
  private boolean replaced;

  private ConfinedTree(Path root, FileCalls calls, int rootFd) {
    this.root = root;
    this.calls = calls;
    this.rootFd = rootFd;
    this.parents = new LinkedHashMap<>(OPEN_PARENTS * 2, 0.75f, true);
  }

  /** A tree below an existing directory. Close it. */
  public static ConfinedTree open(Path root) {
    FileCalls calls = new FileCalls();
    int fd =
        calls.openat(
            FileCalls.AT_FDCWD,
            rawOf(root),
            FileCalls.O_RDONLY | FileCalls.O_DIRECTORY | FileCalls.O_NOFOLLOW,
            0);
    if (fd < 0) {
      calls.close();
      throw new SystemCallException("open", root.toString(), -fd);
    }
    return new ConfinedTree(root, calls, fd);
  }

  /** Makes a directory, or gives the one that is there these attributes. */
  public void directory(TreePath path, FileAttributes attributes) {
    if (!path.isRoot()) {
      makeDirectory(parentOf(path), path);
    }
    int fd = path.isRoot() ? rootFd : openDirectory(parentOf(path), path);
    try {
      check("chown", path, calls.fchown(fd, (int) attributes.uid(), (int) attributes.gid()));
      check("chmod", path, calls.fchmod(fd, attributes.mode()));
      for (Map.Entry<String, byte[]> xattr : attributes.xattrs().entrySet()) {
        checkXattr(
            path, xattr.getKey(), calls.fsetxattr(fd, nameOf(xattr.getKey()), xattr.getValue()));
      }
    } finally {
      if (!path.isRoot()) {
        calls.closeDescriptor(fd);
      }
    }
    // its time changes with every entry made in it, so it is set last
    directoryTimes.remove(path);
    directoryTimes.put(path, new Times(attributes.mtimeSeconds(), attributes.mtimeNanos()));
    implicit.remove(path);
  }

  /** Makes an empty regular file. Write it, finish it, close it. */
  public NewFile file(TreePath path) {
    int parent = parentOf(path);
    int flags = FileCalls.O_WRONLY | FileCalls.O_CREAT | FileCalls.O_EXCL | FileCalls.O_NOFOLLOW;
    int fd = calls.openat(parent, path.name(), flags, 0600);
    if (fd == -Errno.EEXIST) {
      remove(parent, path);
      fd = calls.openat(parent, path.name(), flags, 0600);
    }
    check("creation", path, fd);
    inodes++;
    return new NewFile(path, fd);
  }

  /** Makes a symbolic link; {@code text} (raw, one char per byte) is written as it is. */
  public void symbolicLink(TreePath path, String text, FileAttributes attributes) {
    int parent = parentOf(path);
    if (text.isEmpty() || text.indexOf('\0') >= 0) {
      throw new StageletException(
          ErrorCode.DATA_LOSS, "symbolic link %s leads to no valid path".formatted(path));
    }
    int made = calls.symlinkat(text, parent, path.name());
    if (made == -Errno.EEXIST) {
      remove(parent, path);
      made = calls.symlinkat(text, parent, path.name());
    }
    check("symlink", path, made);
    inodes++;
    describe(parent, path, attributes, false);
  }

  /** Makes another name of {@code existing}, which must be there and no directory. */
  public void hardLink(TreePath path, TreePath existing) {
    int to = parentOf(path);
    int from = lookUp(existing.parent());
    int made = from < 0 ? from : calls.linkat(from, existing.name(), to, path.name());
    if (made == -Errno.EEXIST) {
      if (path.equals(existing)) {
        return;
      }
      remove(to, path);
      from = lookUp(existing.parent());
      made = from < 0 ? from : calls.linkat(from, existing.name(), to, path.name());
    }
    if (made == -Errno.ENOENT || made == -Errno.ENOTDIR || made == -Errno.EPERM) {
      throw new StageletException(
          ErrorCode.DATA_LOSS,
          "hard link %s leads to %s, which is %s"
              .formatted(
                  path,
                  existing,
                  made == -Errno.EPERM ? "not linkable" : "not in the tree before it"));
    }
    check("link", path, made);
  }

  /** Makes a device node. */
  public void device(
      TreePath path, Device kind, long major, long minor, FileAttributes attributes) {
    if (major < 0 || major > 0xfff || minor < 0 || minor > 0xfffff) {
      throw new StageletException(
          ErrorCode.DATA_LOSS,
          "device %s has the number %d:%d, which Linux does not have"
              .formatted(path, major, minor));
    }
    node(path, kind.type, FileCalls.device(major, minor));
    describe(parentOf(path), path, attributes, true);
  }

  /** Makes a named pipe. */
  public void fifo(TreePath path, FileAttributes attributes) {
    node(path, FileCalls.S_IFIFO, 0);
    describe(parentOf(path), path, attributes, true);
  }

  /**
   * Hides what lower layers have under this name. What this tree itself has there stays, as the OCI
   * image specification ("Whiteouts") wants it.
   */
  public void whiteout(TreePath path) {
    int parent = parentOf(path);
    int made = calls.mknodat(parent, path.name(), FileCalls.S_IFCHR, 0);
    if (made == -Errno.EEXIST) {
      if (calls.status(parent, path.name()).isDirectory()) {
        markOpaque(parent, path);
      }
      return;
    }
    check("mknod", path, made);
    inodes++;
  }

  /** Hides all that lower layers have in this directory, which is made where it is not there. */
  public void opaque(TreePath path) {
    if (path.isRoot()) {
      check("setxattr trusted.overlay.opaque", path, calls.fsetxattr(rootFd, OPAQUE, YES));
      opaqueRoot = true;
      return;
    }
    int parent = parentOf(path);
    if (makeDirectory(parent, path)) {
      implicit.add(path);
    }
    markOpaque(parent, path);
  }

  /** Directories that had to be made for what is in them, and that nothing described. */
  public List<TreePath> implicitDirectories() {
    return List.copyOf(implicit);
  }

  /**
   * Whether the root itself is opaque. Overlayfs does not look at that mark of a layer's root:
   * whoever mounts leaves out the layers below.
   */
  public boolean opaqueRoot() {
    return opaqueRoot;
  }

  /** Names of extended attributes that the filesystem does not take, and that were left out. */
  public Set<String> refusedXattrs() {
    return Collections.unmodifiableSet(refusedXattrs);
  }

  /** How much room the tree takes by now. */
  public Room room() {
    return new Room(bytes, inodes);
  }

  /** Ends the writing: gives the directories their times. */
  public void finish() {
    List<Map.Entry<TreePath, Times>> last = new ArrayList<>(directoryTimes.entrySet());
    for (Map.Entry<TreePath, Times> entry : last.reversed()) {
      TreePath path = entry.getKey();
      Times times = entry.getValue();
      if (path.isRoot()) {
        check("utimensat", path, calls.setTimes(rootFd, times.seconds(), times.nanos()));
        continue;
      }
      int parent = lookUp(path.parent());
      if (parent >= 0) {
        int set = calls.setTimes(parent, path.name(), times.seconds(), times.nanos());
        // a directory that was replaced later has no times to get
        if (set != -Errno.ENOENT) {
          check("utimensat", path, set);
        }
      }
    }
  }

  /** Closes what is open; the tree stays. */
  @Override
  public void close() {
    forgetParents();
    calls.closeDescriptor(rootFd);
    calls.close();
  }

  /**
   * Removes a directory and all below it, however deep and however its files are called; what is
   * not there is fine. Links are removed, not followed.
   */
  public static void delete(Path directory) {
    if (!Files.exists(directory, java.nio.file.LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    try (ConfinedTree tree = open(directory)) {
      tree.removeContent();
      int gone = tree.calls.unlinkat(FileCalls.AT_FDCWD, rawOf(directory), FileCalls.AT_REMOVEDIR);
      if (gone < 0 && gone != -Errno.ENOENT) {
        throw new SystemCallException("rmdir", directory.toString(), -gone);
      }
    }
  }

  /** A regular file that is being written. */
  public final class NewFile implements AutoCloseable {
    private final TreePath path;
    private final int fd;
    private long end;
    private boolean closed;

    private NewFile(TreePath path, int fd) {
      this.path = path;
      this.fd = fd;
    }

    /** Writes {@code length} bytes at {@code position} (bytes from the start). */
    public void write(long position, byte[] data, int offset, int length) {
      check("write", path, calls.write(fd, position, data, offset, length));
      end = Math.max(end, position + length);
      bytes += length;
    }

    /** Gives it its size (a hole up to there where nothing was written) and attributes. */
    public void finish(long size, FileAttributes attributes) {
      if (size != end) {
        check("truncate", path, calls.ftruncate(fd, size));
      }
      bytes += (BLOCK - end % BLOCK) % BLOCK;
      // chown clears set-user-id and capabilities, so it comes first
      check("chown", path, calls.fchown(fd, (int) attributes.uid(), (int) attributes.gid()));
      check("chmod", path, calls.fchmod(fd, attributes.mode()));
      for (Map.Entry<String, byte[]> xattr : attributes.xattrs().entrySet()) {
        checkXattr(
            path, xattr.getKey(), calls.fsetxattr(fd, nameOf(xattr.getKey()), xattr.getValue()));
      }
      check(
          "utimensat",
          path,
          calls.setTimes(fd, attributes.mtimeSeconds(), attributes.mtimeNanos()));
    }

    @Override
    public void close() {
      if (!closed) {
        closed = true;
        calls.closeDescriptor(fd);
      }
    }
  }

  private void node(TreePath path, int type, long device) {
    int parent = parentOf(path);
    int made = calls.mknodat(parent, path.name(), type | 0600, device);
    if (made == -Errno.EEXIST) {
      remove(parent, path);
      made = calls.mknodat(parent, path.name(), type | 0600, device);
    }
    check("mknod", path, made);
    inodes++;
  }

  /** Attributes of what was just made and cannot be opened. */
  private void describe(int parent, TreePath path, FileAttributes attributes, boolean withMode) {
    String name = path.name();
    check("chown", path, calls.chown(parent, name, (int) attributes.uid(), (int) attributes.gid()));
    if (withMode) {
      check("chmod", path, calls.chmod(parent, name, attributes.mode()));
    }
    for (Map.Entry<String, byte[]> xattr : attributes.xattrs().entrySet()) {
      checkXattr(
          path,
          xattr.getKey(),
          calls.lsetxattr(
              "/proc/self/fd/%d/%s".formatted(parent, name),
              nameOf(xattr.getKey()),
              xattr.getValue()));
    }
    check(
        "utimensat",
        path,
        calls.setTimes(parent, name, attributes.mtimeSeconds(), attributes.mtimeNanos()));
  }

  /** Whether it was made now; a directory that was there stays, anything else is replaced. */
  private boolean makeDirectory(int parent, TreePath path) {
    int made = calls.mkdirat(parent, path.name(), DEFAULT_DIRECTORY_MODE);
    if (made == -Errno.EEXIST) {
      FileCalls.Status there = calls.status(parent, path.name());
      if (there.isDirectory()) {
        return false;
      }
      remove(parent, path);
      check("mkdir", path, calls.mkdirat(parent, path.name(), DEFAULT_DIRECTORY_MODE));
      if (there.isWhiteout()) {
        // the name was removed from the lower layers, and this is another directory
        markOpaque(parent, path);
      }
    } else {
      check("mkdir", path, made);
    }
    // the process's umask took bits away
    check("chmod", path, calls.chmod(parent, path.name(), DEFAULT_DIRECTORY_MODE));
    inodes++;
    bytes += BLOCK;
    return true;
  }

  private void markOpaque(int parent, TreePath path) {
    int fd = openDirectory(parent, path);
    try {
      check("setxattr trusted.overlay.opaque", path, calls.fsetxattr(fd, OPAQUE, YES));
    } finally {
      calls.closeDescriptor(fd);
    }
  }

  private int openDirectory(int parent, TreePath path) {
    int fd =
        calls.openat(
            parent,
            path.name(),
            FileCalls.O_RDONLY | FileCalls.O_DIRECTORY | FileCalls.O_NOFOLLOW,
            0);
    check("open", path, fd);
    return fd;
  }

  /**
   * The directory that {@code path} is in, made where it is not there. Good until the next call.
   */
  private int parentOf(TreePath path) {
    if (path.isRoot()) {
      throw new StageletException(
          ErrorCode.DATA_LOSS, "the root of the tree is to be something else than a directory");
    }
    notReserved(path);
    return openOrMake(path.parent(), 0);
  }

  private int openOrMake(TreePath directory, int linksFollowed) {
    int fd = lookUp(directory);
    if (fd >= 0) {
      return fd;
    }
    if (fd != -Errno.ENOENT && fd != -Errno.ENOTDIR && fd != -Errno.ELOOP) {
      throw new SystemCallException("openat2", directory.toString(), -fd);
    }
    if (linksFollowed > LINKS_FOLLOWED) {
      throw new StageletException(
          ErrorCode.DATA_LOSS, "too many symbolic links on the way to " + directory);
    }
    notReserved(directory);
    int parent = openOrMake(directory.parent(), linksFollowed + 1);
    int made = calls.mkdirat(parent, directory.name(), DEFAULT_DIRECTORY_MODE);
    if (made == -Errno.EEXIST) {
      FileCalls.Status there = calls.status(parent, directory.name());
      if (there.isSymbolicLink()) {
        String text = calls.readlinkat(parent, directory.name());
        openOrMake(directory.parent().follow(text), linksFollowed + 1);
      } else if (there.isWhiteout()) {
        makeDirectory(parent, directory);
        implicit.add(directory);
      } else {
        throw new StageletException(
            ErrorCode.DATA_LOSS, directory + " is a file, and also a directory with files in it");
      }
    } else {
      check("mkdir", directory, made);
      check("chmod", directory, calls.chmod(parent, directory.name(), DEFAULT_DIRECTORY_MODE));
      inodes++;
      bytes += BLOCK;
      implicit.add(directory);
    }
    fd = lookUp(directory);
    check("open", directory, fd);
    return fd;
  }

  /** The descriptor of a directory that is there, or a negative error number. */
  private int lookUp(TreePath directory) {
    if (directory.isRoot()) {
      return rootFd;
    }
    Integer known = parents.get(directory.raw());
    if (known != null) {
      return known;
    }
    int fd = calls.openInRoot(rootFd, directory.raw(), FileCalls.O_PATH | FileCalls.O_DIRECTORY);
    if (fd >= 0) {
      if (parents.size() >= OPEN_PARENTS) {
        Map.Entry<String, Integer> eldest = parents.pollFirstEntry();
        calls.closeDescriptor(eldest.getValue());
      }
      parents.put(directory.raw(), fd);
    }
    return fd;
  }

  private void forgetParents() {
    parents.values().forEach(calls::closeDescriptor);
    parents.clear();
  }

  /** Whether something was written and then replaced: {@link #room} is an estimate then. */
  public boolean replaced() {
    return replaced;
  }

  /** Removes what is there under this name, so that something else can take its place. */
  private void remove(int parent, TreePath path) {
    replaced = true;
    FileCalls.Status there = calls.status(parent, path.name());
    if (!there.isDirectory()) {
      check("removal", path, calls.unlinkat(parent, path.name(), 0));
      if (there.links() <= 1) {
        inodes--;
        bytes -= (there.size() + BLOCK - 1) / BLOCK * BLOCK;
      }
      if (there.isSymbolicLink()) {
        forgetAllBut(parent);
      }
      return;
    }
    String aside = nextAside();
    check("removal", path, calls.renameat(parent, path.name(), rootFd, aside));
    removeDirectory(rootFd, aside);
    inodes--;
    bytes -= BLOCK;
    forgetAllBut(parent);
  }

  /** Paths may lead elsewhere now. The caller still works with {@code kept}. */
  private void forgetAllBut(int kept) {
    parents
        .entrySet()
        .removeIf(entry -> {
          if (entry.getValue() == kept) {
            return false;
          }
          calls.closeDescriptor(entry.getValue());
          return true;
        });
  }

  private void removeContent() {
    removeBelow(rootFd, rootFd, new ArrayDeque<>());
  }

  /**
   * Removes {@code name} in the root and all below it. Directories that are not empty are moved up
   * into the root first, so that neither the stack nor the number of descriptors grows with the
   * depth, which a hostile layer can make as large as it likes.
   */
  private void removeDirectory(int in, String name) {
    Deque<String> waiting = new ArrayDeque<>();
    waiting.add(name);
    removeWaiting(in, waiting);
  }

  private void removeWaiting(int top, Deque<String> waiting) {
    for (String next = waiting.poll(); next != null; next = waiting.poll()) {
      TreePath path = TreePath.ROOT.child(next);
      int fd = openDirectory(top, path);
      try {
        removeBelow(top, fd, waiting);
      } finally {
        calls.closeDescriptor(fd);
      }
      check("removal", path, calls.unlinkat(top, next, FileCalls.AT_REMOVEDIR));
    }
  }

  private void removeBelow(int top, int directory, Deque<String> waiting) {
    for (List<FileCalls.Entry> some = calls.someEntries(directory);
        !some.isEmpty();
        some = calls.someEntries(directory)) {
      for (FileCalls.Entry entry : some) {
        if (directory == top
            && entry.name().startsWith(RESERVED)
            && waiting.contains(entry.name())) {
          continue;
        }
        removeEntry(top, directory, entry, waiting);
      }
    }
    if (directory == top) {
      removeWaiting(top, waiting);
    }
  }

  private void removeEntry(int top, int directory, FileCalls.Entry entry, Deque<String> waiting) {
    int gone =
        calls.unlinkat(directory, entry.name(), entry.directory() ? FileCalls.AT_REMOVEDIR : 0);
    if (gone == -Errno.ENOTEMPTY || gone == -Errno.EEXIST || gone == -Errno.EISDIR) {
      String aside = nextAside();
      check(
          "rename",
          TreePath.ROOT.child(entry.name()),
          calls.renameat(directory, entry.name(), top, aside));
      waiting.add(aside);
    } else if (gone != -Errno.ENOENT) {
      check("removal", TreePath.ROOT.child(entry.name()), gone);
    }
  }

  /** Unlike any name that an earlier, interrupted removal left. */
  private String nextAside() {
    return "%sremoved.%x.%d".formatted(RESERVED, asideMark, removed++);
  }

  private static void notReserved(TreePath path) {
    if (path.name().startsWith(RESERVED)) {
      throw new StageletException(
          ErrorCode.DATA_LOSS, path + " has a name that is reserved for marks of removed files");
    }
  }

  private void checkXattr(TreePath path, String attribute, int result) {
    boolean noUserXattrHere = result == -Errno.EPERM && attribute.startsWith("user.");
    if (result == -Errno.EOPNOTSUPP || noUserXattrHere) {
      refusedXattrs.add(attribute);
      return;
    }
    check("setxattr " + attribute, path, result);
  }

  private static String nameOf(String attribute) {
    if (attribute.indexOf('\0') >= 0) {
      throw new StageletException(
          ErrorCode.DATA_LOSS, "an extended attribute's name holds a NUL byte");
    }
    return rawOf(attribute);
  }

  private static String rawOf(Path path) {
    return rawOf(path.toAbsolutePath().toString());
  }

  private static String rawOf(String text) {
    return new String(
        text.getBytes(java.nio.charset.StandardCharsets.UTF_8),
        java.nio.charset.StandardCharsets.ISO_8859_1);
  }

  private void check(String call, TreePath path, int result) {
    if (result < 0) {
      throw new SystemCallException(call, path + " below " + root, -result);
    }
  }

  /** For tests and checks of a store: an extended attribute, null where there is none. */
  public static byte @Nullable [] xattr(Path file, String attribute) {
    try (FileCalls calls = new FileCalls()) {
      byte[] value = calls.lgetxattr(rawOf(file), rawOf(attribute));
      return value.length == 0 ? null : value;
    }
  }
}
