package io.stagelet.stage0;

import io.stagelet.linux.TreePath;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;

/**
 * The files of an OCI artifact (OCI image specification, "Guidelines for Artifact Usage"): each of
 * its blobs is one, as it is, called by the annotation {@code org.opencontainers.image.title}, as
 * CRI-O and Podman have it. Each is a layer of the store by itself, so that artifacts share them.
 */
final class ArtifactFiles {
  private static final String TITLE = "org.opencontainers.image.title";

  private ArtifactFiles() {}

  /** An artifact's parts. */
  static List<ImagePart> of(ImageManifest artifact) {
    return artifact.layers().stream().map(ArtifactFiles::part).toList();
  }

  private static ImagePart part(BlobDescriptor blob) {
    TreePath file = file(blob);
    // the same bytes under another name are another layer; no archive has such a digest
    Digest layer =
        Digest.of(
            ("artifact file\n" + blob.digest() + "\n" + file).getBytes(StandardCharsets.UTF_8));
    return new ImagePart(blob, layer, Optional.of(file));
  }

  /** Below the artifact's root, whatever the title says. */
  private static TreePath file(BlobDescriptor blob) {
    TreePath titled =
        TreePath.of(blob.annotations().getOrDefault(TITLE, "").getBytes(StandardCharsets.UTF_8));
    return titled.isRoot()
        ? TreePath.of(
            "%s-%s"
                .formatted(blob.digest().algorithm(), blob.digest().hex())
                .getBytes(StandardCharsets.US_ASCII))
        : titled;
  }
}
