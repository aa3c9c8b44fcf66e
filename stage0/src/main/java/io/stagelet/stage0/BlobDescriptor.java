package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;

/**
 * A blob that a manifest names.
 *
 * @param size in bytes, as it is sent
 */
record BlobDescriptor(String mediaType, Digest digest, long size) {
  BlobDescriptor {
    if (size < 0) {
      throw new StageletException(
          ErrorCode.DATA_LOSS, "blob %s is said to have %d bytes".formatted(digest, size));
    }
  }
}
