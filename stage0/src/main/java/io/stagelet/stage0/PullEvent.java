package io.stagelet.stage0;

/** What goes on in a pull. A layer is known by its packed blob's digest. */
public sealed interface PullEvent {
  /**
   * The image's parts are known.
   *
   * @param layers how many it has
   * @param bytes of all its packed layers
   */
  record Resolved(ImageId id, int layers, long bytes) implements PullEvent {}

  /** A layer is in the store already. */
  record LayerPresent(Digest layer) implements PullEvent {}

  /**
   * A layer's transfer has begun.
   *
   * @param bytes how large it is, packed
   */
  record LayerStarted(Digest layer, long bytes) implements PullEvent {}

  /**
   * Some of a layer has come.
   *
   * @param received bytes so far
   */
  record LayerProgress(Digest layer, long received) implements PullEvent {}

  /** A layer is in the store. */
  record LayerUnpacked(Digest layer) implements PullEvent {}
}
