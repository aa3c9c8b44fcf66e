package io.stagelet.stage1.nspawn;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/**
 * A program of some hundred bytes that changes itself and becomes another program: it needs no
 * loader, no library and no file of an image's. It is written as instructions of x86-64, because
 * whatever Java could start in its place would have to be compiled when Stagelet is.
 */
final class StaticProgram {
  /** The one architecture that there are instructions for, as {@code os.arch} says it. */
  static final String ARCHITECTURE = "amd64";

  /** Becomes the program that the second argument names, whose arguments follow; never returns. */
  private static final String BECOME =
      """
      b8 3b 00 00 00          mov  eax, 59              # execve(PROGRAM, ARGUMENTS, environment)
      48 8b 7d 18             mov  rdi, [rbp+24]
      48 8d 75 18             lea  rsi, [rbp+24]
      48 8b 55 00             mov  rdx, [rbp]
      48 8d 54 d5 10          lea  rdx, [rbp+rdx*8+16]
      0f 05                   syscall
      """;

  /** Says why not, and ends. */
  private static final String COMPLAIN =
      """
      b8 01 00 00 00  failed: mov  eax, 1               # write(2, the complaint, its length)
      bf 02 00 00 00          mov  edi, 2
      48 8d 35 13 00 00 00    lea  rsi, [rip+19]
      ba LENGTH               mov  edx, …
      0f 05                   syscall
      b8 e7 00 00 00          mov  eax, 231             # exit_group(126)
      bf 7e 00 00 00          mov  edi, 126
      0f 05                   syscall
      """;

  private static final long ADDRESS = 0x40_0000;
  private static final short HEADER = 64;
  private static final short SEGMENT = 56;

  private StaticProgram() {}

  /**
   * The whole file: an ELF header, one segment, the instructions, and what they read.
   *
   * @param instructions what is done before: a line each, in hexadecimal digits up to two spaces;
   *     {@code FAILED} is the distance, in one byte, of where the complaint is written, from the
   *     end of the instruction; {@code WORDS} that of {@code words}, in four bytes
   * @param words a string that they read
   * @param complaint what is said when something fails; the exit code is 126 then
   */
  static byte[] of(String instructions, String words, String complaint) {
    byte[] said = (complaint + "\n").getBytes(StandardCharsets.US_ASCII);
    byte[] last = bytes(COMPLAIN, 0, 0, said.length);
    int failed = bytes(instructions + BECOME, 0, 0, 0).length;
    byte[] first = bytes(instructions + BECOME, failed, failed + last.length + said.length, 0);
    byte[] read = (words + "\0").getBytes(StandardCharsets.US_ASCII);
    int size = HEADER + SEGMENT + first.length + last.length + said.length + read.length;
    ByteBuffer file = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    // elf(5): 64 bits, little-endian, an executable for x86-64
    file.put(new byte[] {0x7f, 'E', 'L', 'F', 2, 1, 1, 0}).putLong(0);
    file.putShort((short) 2).putShort((short) 62).putInt(1);
    file.putLong(ADDRESS + HEADER + SEGMENT).putLong(HEADER).putLong(0).putInt(0);
    file.putShort(HEADER).putShort(SEGMENT).putShort((short) 1);
    file.putShort((short) 0).putShort((short) 0).putShort((short) 0);
    // the whole file, to be read and executed
    file.putInt(1).putInt(5).putLong(0).putLong(ADDRESS).putLong(ADDRESS);
    file.putLong(size).putLong(size).putLong(0x1000);
    return file.put(first).put(last).put(said).put(read).array();
  }

  /** The instructions, with distances from the end of each of them. */
  private static byte[] bytes(String instructions, int failed, int words, int length) {
    ByteBuffer code = ByteBuffer.allocate(instructions.length()).order(ByteOrder.LITTLE_ENDIAN);
    instructions
        .lines()
        // what follows two spaces is for people
        .map(line -> line.split(" {2}", 2)[0])
        .forEach(line -> {
          for (String word : line.split(" ")) {
            switch (word) {
              case "FAILED" -> code.put((byte) (failed == 0 ? 0 : failed - code.position() - 1));
              case "WORDS" -> code.putInt(words - code.position() - Integer.BYTES);
              case "LENGTH" -> code.putInt(length);
              default -> code.put(HexFormat.of().parseHex(word));
            }
          }
        });
    byte[] bytes = new byte[code.position()];
    code.flip().get(bytes);
    return bytes;
  }
}
