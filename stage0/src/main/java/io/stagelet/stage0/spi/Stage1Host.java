package io.stagelet.stage0.spi;

/** What the server shares with a stage1, by its type: the connection to systemd, for one. */
@FunctionalInterface
public interface Stage1Host {
  /**
   * The shared object of a type.
   *
   * @throws io.stagelet.linux.StageletException {@code UNIMPLEMENTED} when the server shares none
   *     of this type
   */
  <T> T shared(Class<T> type);
}
