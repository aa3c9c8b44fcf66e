package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.Map;

/**
 * A blob that a manifest names.
 *
 * @param size in bytes, as it is sent
 * @param annotations what the manifest notes beside it
 */
record BlobDescriptor(String mediaType, Digest digest, long size, Map<String, String> annotations) {
  BlobDescriptor {
    annotations = Map.copyOf(annotations);
    if (size < 0) {
      throw new StageletException(
          ErrorCode.DATA_LOSS, "blob %s is said to have %d bytes".formatted(digest, size));
    }
  }

  /** One without annotations. */
  BlobDescriptor(String mediaType, Digest digest, long size) {
    this(mediaType, digest, size, Map.of());
  }
}
