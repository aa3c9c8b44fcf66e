package io.stagelet.linux;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;

/** The SELinux labels of files ({@code selinux(8)}), which are extended attributes. */
public final class SecurityLabels {
  private static final String ATTRIBUTE = "security.selinux";

  private SecurityLabels() {}

  /**
   * Labels a file, or a directory and all below it. Symbolic links are labelled, not followed; a
   * filesystem that has no labels of its own is left as it is.
   *
   * @throws SystemCallException when the kernel refuses, as it does with a label that no policy has
   */
  public static void label(Path tree, String label) {
    byte[] value = (label + '\0').getBytes(StandardCharsets.UTF_8);
    try (FileCalls calls = new FileCalls()) {
      Files.walkFileTree(
          tree,
          new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult preVisitDirectory(Path path, BasicFileAttributes attributes) {
              set(calls, path, value);
              return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFile(Path path, BasicFileAttributes attributes) {
              set(calls, path, value);
              return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFileFailed(Path path, IOException gone) {
              return FileVisitResult.CONTINUE;
            }
          });
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not label %s: %s".formatted(tree, StageletException.reason(failure)),
          failure);
    }
  }

  private static void set(FileCalls calls, Path path, byte[] value) {
    String name =
        new String(path.toString().getBytes(StandardCharsets.UTF_8), StandardCharsets.ISO_8859_1);
    int result = calls.lsetxattr(name, ATTRIBUTE, value);
    if (result < 0 && result != -Errno.EOPNOTSUPP && result != -Errno.ENOENT) {
      throw new SystemCallException("lsetxattr of " + ATTRIBUTE, path.toString(), -result);
    }
  }
}
