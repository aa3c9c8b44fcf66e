package io.stagelet.stage0;

import java.time.Duration;

/**
 * How registries are talked to.
 *
 * @param connectTimeout how long a connection may take to come up
 * @param stallTimeout how long a registry may send nothing while something is awaited; then the
 *     connection is given up and the transfer resumed on a new one
 * @param attempts how often in a row something is tried without any progress before it fails, at
 *     least 1
 * @param firstPause how long to wait before the second attempt; doubled for each further one
 * @param parallelLayers how many layers of one image are fetched at a time, at least 1
 * @param mirrorConnectTimeout how long a connection to a mirror may take; the next place is tried
 *     then
 * @param parallelRanges over how many connections a large layer comes when the registry is what
 *     takes the time; 1 for one connection always
 * @param rangeBytes how large each of these ranges is; so many of them are kept in memory
 */
public record RegistrySettings(
    Duration connectTimeout,
    Duration stallTimeout,
    int attempts,
    Duration firstPause,
    int parallelLayers,
    Duration mirrorConnectTimeout,
    int parallelRanges,
    int rangeBytes) {
  public RegistrySettings {
    if (attempts < 1 || parallelLayers < 1 || parallelRanges < 1 || rangeBytes < 1) {
      throw new IllegalArgumentException(
          "%d attempts, %d parallel layers, %d ranges of %d bytes: at least 1 of each"
              .formatted(attempts, parallelLayers, parallelRanges, rangeBytes));
    }
  }

  /**
   * What suits most: 10 s to connect (mirrors 3), 30 s of silence, 5 attempts, 4 layers at a time,
   * 3 ranges of 4 MiB.
   */
  public static RegistrySettings defaults() {
    return new RegistrySettings(
        Duration.ofSeconds(10),
        Duration.ofSeconds(30),
        5,
        Duration.ofMillis(250),
        4,
        Duration.ofSeconds(3),
        3,
        4 << 20);
  }

  /** The same with so many layers, and ranges of a layer, at a time. */
  public RegistrySettings withParallel(int layers, int ranges) {
    return new RegistrySettings(
        connectTimeout,
        stallTimeout,
        attempts,
        firstPause,
        layers,
        mirrorConnectTimeout,
        ranges,
        rangeBytes);
  }
}
