package io.stagelet.stage0.command;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.Image;
import io.stagelet.stage0.ImageService;
import io.stagelet.stage0.ImageSettings;
import io.stagelet.stage0.Registries;
import io.stagelet.stage0.RegistryFiles;
import java.nio.file.Path;
import java.time.Clock;
import java.util.LinkedHashSet;
import java.util.Set;
import picocli.CommandLine;

/** What all commands on the store have. */
final class StoreOptions {
  @CommandLine.Option(
      names = "--store",
      paramLabel = "DIRECTORY",
      description = "Where the images are (default: ${DEFAULT-VALUE}).")
  private Path store = Path.of("/var/lib/stagelet/images");

  @CommandLine.Option(
      names = "--insecure",
      paramLabel = "HOST[:PORT]",
      description =
          "A registry that may speak plain HTTP, beside those of registries.conf; may be repeated.")
  private Set<String> insecure = new LinkedHashSet<>();

  @CommandLine.Option(names = "--json", description = "Print JSON, for programs.")
  private boolean json;

  ImageService open() {
    return new ImageService(
        store,
        ImageSettings.defaults(),
        Registries.of(RegistryFiles.system(System.getenv()), insecure, System.getenv()),
        Clock.systemUTC());
  }

  boolean json() {
    return json;
  }

  /** The image that is called so, or an error that says that there is none. */
  static Image find(ImageService images, String name) {
    return images
        .find(name)
        .orElseThrow(() ->
            new StageletException(
                ErrorCode.NOT_FOUND,
                "there is no image %s here; stage0 list shows those that are".formatted(name)));
  }
}
