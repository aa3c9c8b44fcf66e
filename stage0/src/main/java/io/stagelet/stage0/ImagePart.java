package io.stagelet.stage0;

import io.stagelet.linux.TreePath;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * A blob that becomes a layer of the store.
 *
 * @param blob what the registry has
 * @param diffId the layer's name in the store: for an archive, the digest that it must have when it
 *     is unpacked
 * @param file where the blob goes as it is, for a file of an artifact; empty for an archive
 */
record ImagePart(BlobDescriptor blob, Digest diffId, Optional<TreePath> file) {
  /** The parts of an image, whose configuration names its layers. */
  static List<ImagePart> of(ImageManifest manifest, List<Digest> diffIds) {
    return IntStream.range(0, diffIds.size())
        .mapToObj(i -> new ImagePart(manifest.layers().get(i), diffIds.get(i), Optional.empty()))
        .toList();
  }
}
