package io.stagelet.stage1.nspawn;

import io.stagelet.linux.Command;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * {@code setpriv} and {@code env} with the libraries they need, the {@link FilterLoader} and the
 * {@link ProfileSetter}: what makes a process the container's runs there, where there may be no
 * program at all. They are started through their own loader, so that none of the image's files is
 * touched.
 *
 * @param directory where they are on the host
 */
record EntryTools(Path directory) {
  private static final String PROFILE_SETTER = "profile-setter";
  private static final String FILTER_LOADER = "filter-loader";

  /** Where a container has them. */
  static final String INSIDE = "/dev/.stagelet";

  /** Gives the process the container's seccomp filter; a program with a slash follows. */
  static final List<String> FILTER = List.of(INSIDE + "/" + FILTER_LOADER, INSIDE + "/filter");

  private static final String LOADER = "ld.so";
  private static final Pattern LIBRARY =
      Pattern.compile("(?:(\\S+) => )?(/\\S+) \\(0x[0-9a-f]+\\)");

  /** Copies the host's. */
  static EntryTools copiedTo(Path directory) {
    try {
      Files.createDirectories(directory);
      for (String tool : List.of("setpriv", "env")) {
        Path program = Path.of("/usr/bin", tool);
        copy(program, directory.resolve(tool));
        Matcher library =
            LIBRARY.matcher(Command.of("/usr/bin/ldd", program.toString()).runChecked().text());
        while (library.find()) {
          Path file = Path.of(library.group(2));
          boolean loader = library.group(1) == null;
          copy(file, directory.resolve(loader ? LOADER : file.getFileName().toString()));
        }
      }
      if (System.getProperty("os.arch").equals(StaticProgram.ARCHITECTURE)) {
        write(directory.resolve(FILTER_LOADER), FilterLoader.program());
        write(directory.resolve(PROFILE_SETTER), ProfileSetter.program());
      }
      EntryTools tools = new EntryTools(directory);
      if (!Files.exists(tools.filter(directory))) {
        // never replaced: the filters of containers that run are mounted over it
        Files.createFile(tools.filter(directory));
      }
      return tools;
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "could not copy setpriv, env and their libraries to %s: %s"
              .formatted(directory, StageletException.reason(failure)),
          failure);
    }
  }

  private static void write(Path program, byte[] bytes) throws IOException {
    Path aside = program.resolveSibling(program.getFileName() + ".new");
    Files.write(aside, bytes);
    Files.setPosixFilePermissions(aside, PosixFilePermissions.fromString("rwxr-xr-x"));
    Files.move(aside, program, StandardCopyOption.ATOMIC_MOVE);
  }

  private static void copy(Path from, Path to) throws IOException {
    Files.copy(
        from.toRealPath(),
        to,
        StandardCopyOption.REPLACE_EXISTING,
        StandardCopyOption.COPY_ATTRIBUTES);
  }

  /** Where, below a place at which the tools are shown, a container's own filter is mounted. */
  Path filter(Path shown) {
    return shown.resolve("filter");
  }

  /** Puts the next program under an AppArmor profile; it follows, with a slash. */
  static List<String> underProfile(String profile) {
    return List.of(INSIDE + "/" + PROFILE_SETTER, ProfileSetter.words(profile));
  }

  /** What a tool's arguments follow on, as it is run in a container. */
  static List<String> command(String tool) {
    return List.of(INSIDE + "/" + LOADER, "--library-path", INSIDE, INSIDE + "/" + tool);
  }
}
