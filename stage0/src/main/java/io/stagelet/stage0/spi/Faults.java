package io.stagelet.stage0.spi;

import io.stagelet.linux.Command;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/**
 * Kills this process with SIGKILL where a test wants it killed: at the {@link FaultPoint} whose
 * label stands in a file. Only a server that was started with {@code STAGELET_FAULTS} naming that
 * file has any; in every other, {@link #at} does nothing at all.
 */
public final class Faults {
  /** The environment variable that names the file. */
  public static final String VARIABLE = "STAGELET_FAULTS";

  private final Optional<Path> armed;

  private Faults(Optional<Path> armed) {
    this.armed = armed;
  }

  /** No faults, ever. */
  public static Faults none() {
    return new Faults(Optional.empty());
  }

  /** Those that the environment of this process asks for. */
  public static Faults of(Map<String, String> environment) {
    return new Faults(Optional.ofNullable(environment.get(VARIABLE)).map(Path::of));
  }

  /** Dies here, once, if this point is the one that is armed. */
  public void at(FaultPoint point) {
    if (armed.isPresent() && takes(point, armed.get())) {
      Command.of("kill", "-KILL", Long.toString(ProcessHandle.current().pid())).run();
      Runtime.getRuntime().halt(1); // not reached: the signal comes before kill(1) has ended
    }
  }

  /** The file is deleted first: the server that comes after this one is not to die as well. */
  private static boolean takes(FaultPoint point, Path file) {
    try {
      if (!Files.readString(file).strip().equals(point.label())) {
        return false;
      }
      Files.delete(file);
      return true;
    } catch (NoSuchFileException nothingArmed) {
      return false;
    } catch (IOException failure) {
      throw new IllegalStateException("the fault file %s cannot be read".formatted(file), failure);
    }
  }
}
