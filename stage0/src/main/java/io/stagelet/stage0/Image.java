package io.stagelet.stage0;

import java.util.List;

/**
 * An image in the store.
 *
 * @param id which
 * @param tags its names with tags, written out ({@code docker.io/library/busybox:1}); may be empty
 * @param digests its names with the digest of the manifest or index that they led to ({@code
 *     docker.io/library/busybox@sha256:...})
 * @param size the room that its unpacked layers and its configuration take on the disk, in bytes;
 *     as CRI-O reports it, so that it tells what removal gives back. Shared layers count in each
 *     image
 * @param config how to run it
 * @param diffIds the digests of its uncompressed layers, the lowest first
 * @param pinned whether it is never collected as unused
 * @param artifact whether it is files for volumes, with nothing in it to run
 */
public record Image(
    ImageId id,
    List<String> tags,
    List<String> digests,
    long size,
    ImageConfig config,
    List<Digest> diffIds,
    boolean pinned,
    boolean artifact) {
  public Image {
    tags = List.copyOf(tags);
    digests = List.copyOf(digests);
    diffIds = List.copyOf(diffIds);
  }
}
