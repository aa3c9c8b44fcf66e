package io.stagelet.stage1.nspawn;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;

/** A {@link StaticProgram} in a file, to be run. */
final class WrittenProgram {
  private WrittenProgram() {}

  static Path in(Path folder, byte[] program) throws IOException {
    Path file = Files.write(folder.resolve("program"), program);
    return Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
  }
}
