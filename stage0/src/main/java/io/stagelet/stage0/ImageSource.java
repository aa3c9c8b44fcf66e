package io.stagelet.stage0;

import java.io.IOException;

/** Where an image's parts come from: registries, or files. */
interface ImageSource {
  /** A packed layer's bytes as they come. */
  interface PackedLayer extends AutoCloseable {
    /** Reads up to {@code target.length} bytes; -1 at the end. */
    int read(byte[] target) throws IOException, InterruptedException;

    /** How many bytes were read. */
    long position();

    @Override
    void close();
  }

  /** A manifest or index; by its digest, verified. */
  RemoteRepository.Manifest manifest(String tagOrDigest) throws InterruptedException;

  /** A small blob as a whole, verified. */
  byte[] document(BlobDescriptor blob) throws InterruptedException;

  /** A blob's bytes, not verified. */
  PackedLayer open(BlobDescriptor blob);
}
