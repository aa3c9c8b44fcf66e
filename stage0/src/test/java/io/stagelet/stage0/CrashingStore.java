package io.stagelet.stage0;

import java.nio.file.Path;
import java.time.Clock;
import java.util.Set;

/** A program that pulls and removes images until somebody kills it; see {@link StoreCrashIT}. */
final class CrashingStore {
  private CrashingStore() {}

  /**
   * Runs it.
   *
   * @param arguments the store, and the names of two images
   */
  public static void main(String[] arguments) {
    ImageService images =
        new ImageService(
            Path.of(arguments[0]),
            ImageSettings.defaults(),
            Registries.of(RegistryEndpoints.named(Set.of())),
            Clock.systemUTC());
    System.out.println("ready");
    while (true) {
      for (int i = 1; i < arguments.length; i++) {
        Image image = images.pull(arguments[i], Credentials.none(), PullListener.NONE);
        if (i % 2 == 0) {
          images.remove(image.id().toString());
        }
      }
      images.list().forEach(image -> images.remove(image.id().toString()));
    }
  }
}
