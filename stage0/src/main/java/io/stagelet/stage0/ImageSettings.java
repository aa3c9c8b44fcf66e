package io.stagelet.stage0;

import java.util.List;
import java.util.function.UnaryOperator;

/**
 * How the image service works.
 *
 * @param registry how registries are talked to
 * @param platform which image of an index is taken
 * @param limits how large a layer may become
 * @param pinned names of images that are never collected; {@code *} stands for anything but a slash
 *     at any place, and at the end for all that follows
 * @param carried asked on the thread that wants a pull for what the pull's own thread shall run: so
 *     that this has what that has, such as whom its log messages are about
 */
public record ImageSettings(
    RegistrySettings registry,
    Platform platform,
    UnpackLimits limits,
    List<String> pinned,
    UnaryOperator<Runnable> carried) {
  public ImageSettings {
    pinned = List.copyOf(pinned);
  }

  /** What suits most: this machine's platform, and nothing pinned. */
  public static ImageSettings defaults() {
    return new ImageSettings(
        RegistrySettings.defaults(),
        Platform.host(),
        UnpackLimits.defaults(),
        List.of(),
        UnaryOperator.identity());
  }

  /** The same with these names pinned. */
  public ImageSettings withPinned(List<String> names) {
    return new ImageSettings(registry, platform, limits, names, carried);
  }

  /** The same with pulls that carry what their callers have. */
  public ImageSettings withCarried(UnaryOperator<Runnable> carrying) {
    return new ImageSettings(registry, platform, limits, pinned, carrying);
  }

  /** The same with so many layers, and ranges of a layer, fetched at a time. */
  public ImageSettings withParallel(int layers, int ranges) {
    return new ImageSettings(
        registry.withParallel(layers, ranges), platform, limits, pinned, carried);
  }
}
