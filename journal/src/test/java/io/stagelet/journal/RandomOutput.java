package io.stagelet.journal;

import java.io.ByteArrayOutputStream;
import java.util.Random;

/** Output as no container should write it, and some does. */
final class RandomOutput {
  private RandomOutput() {}

  /**
   * About this many bytes: lines of all lengths, binary, without a line feed at the end or with.
   */
  static byte[] of(Random random, int bytes) {
    ByteArrayOutputStream output = new ByteArrayOutputStream();
    while (output.size() < bytes) {
      int length =
          switch (random.nextInt(12)) {
            case 0 -> 0;
            case 1 -> CriLines.LONGEST_PIECE + random.nextInt(-2, 3);
            case 2 -> StreamEntries.LONGEST_MESSAGE + random.nextInt(-2, 3);
            case 3 -> random.nextInt(200_000);
            case 4 -> random.nextInt(20_000);
            default -> random.nextInt(200);
          };
      byte[] line = new byte[length];
      random.nextBytes(line);
      for (int i = 0; i < length; i++) {
        if (line[i] == '\n') {
          line[i] = 0;
        }
      }
      output.writeBytes(line);
      if (output.size() < bytes || random.nextBoolean()) {
        output.write('\n');
      }
    }
    return output.toByteArray();
  }
}
