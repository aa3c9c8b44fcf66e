package io.stagelet.stage0;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The same image for several platforms. */
record ImageIndex(List<ImageIndex.Entry> entries) implements ManifestDocument {
  /**
   * One of them.
   *
   * @param platform what it is for, where the index says so
   */
  record Entry(BlobDescriptor manifest, Optional<Platform> platform) {}

  ImageIndex {
    entries = List.copyOf(entries);
  }

  static ImageIndex of(JsonNode json, String what) {
    List<Entry> entries = new ArrayList<>();
    for (JsonNode entry : json.path("manifests")) {
      entries.add(
          new Entry(ManifestDocument.descriptor(entry, what), platform(entry.path("platform"))));
    }
    return new ImageIndex(entries);
  }

  private static Optional<Platform> platform(JsonNode json) {
    return json.isObject()
        ? Optional.of(
            new Platform(
                Json.text(json, "os"), Json.text(json, "architecture"), Json.text(json, "variant")))
        : Optional.empty();
  }
}
