package io.stagelet.cri;

import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.Command;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.KernelFile;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** AppArmor profiles ({@code apparmor(7)}): which a container gets, and the default one. */
final class AppArmor {
  /** The profile of containers that ask for no other. */
  static final String DEFAULT_PROFILE = "stagelet-default";

  private static final String DEPRECATED_PREFIX = "localhost/";
  private static final Logger LOG = LoggerFactory.getLogger(AppArmor.class);
  private static final Path ENABLED = Path.of("/sys/module/apparmor/parameters/enabled");
  private static final Path LOADED = Path.of("/sys/kernel/security/apparmor/profiles");
  private static final Path PARSER = Path.of("/usr/sbin/apparmor_parser");
  private static final String SOURCE = "apparmor-default.profile";

  private final boolean enabled = isEnabled();
  private boolean defaultLoaded;

  private static boolean isEnabled() {
    try {
      return KernelFile.text(ENABLED).equals("Y");
    } catch (IOException absent) {
      return false;
    }
  }

  /** Loads the default profile where AppArmor is on, over one of an earlier version. */
  void loadDefaultProfile() {
    if (!enabled) {
      return;
    }
    if (!Files.isExecutable(PARSER)) {
      StoryEvent.APPARMOR_UNUSED
          .on(LOG)
          .log(
              "AppArmor is on, but there is no {}: containers run without the profile {}; install apparmor",
              PARSER,
              DEFAULT_PROFILE);
      return;
    }
    try (InputStream source = AppArmor.class.getResourceAsStream(SOURCE)) {
      if (source == null) {
        throw new IOException("it is not in this build");
      }
      Command.of(PARSER.toString(), "--replace", "--write-cache")
          .withInput(source.readAllBytes())
          .runChecked();
      defaultLoaded = true;
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not read %s: %s".formatted(SOURCE, StageletException.reason(failure)),
          failure);
    }
  }

  /**
   * The profile for a container; empty for none.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} when it asks for one that is not loaded
   */
  Optional<String> profile(ContainerRequest.Profile asked) {
    return switch (asked.kind()) {
      case UNCONFINED -> Optional.empty();
      case RUNTIME_DEFAULT -> defaultLoaded ? Optional.of(DEFAULT_PROFILE) : Optional.empty();
      case LOCALHOST -> {
        // some callers say the structured field as the deprecated string was said
        String name =
            asked.path().startsWith(DEPRECATED_PREFIX)
                ? asked.path().substring(DEPRECATED_PREFIX.length())
                : asked.path();
        if (!isLoaded(name)) {
          throw new StageletException(
              ErrorCode.INVALID_ARGUMENT,
              "the AppArmor profile '%s' is not loaded on this node%s"
                  .formatted(name, enabled ? "" : ", where AppArmor is off"));
        }
        yield Optional.of(name);
      }
    };
  }

  /** The kernel's list has a line {@code NAME (MODE)} for each. */
  private static boolean isLoaded(String name) {
    try {
      return KernelFile.text(LOADED).lines().anyMatch(line -> line.startsWith(name + " ("));
    } catch (NoSuchFileException off) {
      return false;
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not read %s: %s".formatted(LOADED, StageletException.reason(failure)),
          failure);
    }
  }
}
