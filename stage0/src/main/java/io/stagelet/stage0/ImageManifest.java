package io.stagelet.stage0;

import com.fasterxml.jackson.databind.JsonNode;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * One image's parts.
 *
 * @param config its configuration
 * @param layers the packed layers, the lowest first
 * @param artifact whether these are no layers but any files
 */
record ImageManifest(BlobDescriptor config, List<BlobDescriptor> layers, boolean artifact)
    implements ManifestDocument {
  private static final int MOST_LAYERS = 500;

  /** What the configuration of an image to run is called; none at all in old ones. */
  private static final Set<String> IMAGES =
      Set.of(
          "",
          "application/vnd.oci.image.config.v1+json",
          "application/vnd.docker.container.image.v1+json");

  ImageManifest {
    layers = List.copyOf(layers);
  }

  static ImageManifest of(JsonNode json, String what) {
    List<BlobDescriptor> layers = new ArrayList<>();
    for (JsonNode layer : json.path("layers")) {
      layers.add(ManifestDocument.descriptor(layer, what));
    }
    if (layers.size() > MOST_LAYERS) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "%s has %d layers; overlayfs mounts %d at most"
              .formatted(what, layers.size(), MOST_LAYERS));
    }
    BlobDescriptor config = ManifestDocument.descriptor(json.path("config"), what);
    return new ImageManifest(config, layers, !IMAGES.contains(config.mediaType()));
  }
}
