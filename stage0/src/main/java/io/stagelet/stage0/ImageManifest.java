package io.stagelet.stage0;

import com.fasterxml.jackson.databind.JsonNode;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.ArrayList;
import java.util.List;

/**
 * One image's parts.
 *
 * @param config its configuration
 * @param layers the packed layers, the lowest first
 */
record ImageManifest(BlobDescriptor config, List<BlobDescriptor> layers)
    implements ManifestDocument {
  private static final int MOST_LAYERS = 500;

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
    return new ImageManifest(ManifestDocument.descriptor(json.path("config"), what), layers);
  }
}
