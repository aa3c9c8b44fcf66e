package io.stagelet.cri;

import io.stagelet.stage0.spi.ContainerId;
import io.stagelet.stage0.spi.SandboxId;
import java.util.HexFormat;
import java.util.random.RandomGenerator;

/** Makes ids nobody has: 256 random bits. */
final class Ids {
  private static final int BYTES = 32;

  private final RandomGenerator random;

  Ids(RandomGenerator random) {
    this.random = random;
  }

  SandboxId sandbox() {
    return new SandboxId(next());
  }

  ContainerId container() {
    return new ContainerId(next());
  }

  private String next() {
    byte[] bytes = new byte[BYTES];
    random.nextBytes(bytes);
    return HexFormat.of().formatHex(bytes);
  }
}
