package io.stagelet.stage1.nspawn;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/**
 * A program of two hundred bytes that gives itself a seccomp filter and becomes another program:
 * {@code filter-loader FILTER PROGRAM ARGUMENTS…}. It needs no loader and no library, and unlike
 * {@code setpriv --seccomp-filter} it leaves {@code no_new_privs} as it is: then whoever runs it
 * needs {@code CAP_SYS_ADMIN}.
 *
 * <p>It is written as instructions of x86-64, because whatever Java could start in its place would
 * have to be compiled when Stagelet is.
 */
final class FilterLoader {
  /** The one architecture that there are instructions for, as {@code os.arch} says it. */
  static final String ARCHITECTURE = "amd64";

  private static final String COMPLAINT =
      "stagelet: the container's seccomp filter cannot be loaded\n";

  /** Up to the complaint's length and place, which follow from each other. */
  private static final String INSTRUCTIONS =
      """
      48 89 e5                mov  rbp, rsp             # argc, argv[0], FILTER, PROGRAM, …
      48 81 ec 00 80 00 00    sub  rsp, 32768           # room for 4096 instructions, the kernel's limit
      b8 02 00 00 00          mov  eax, 2               # open(FILTER, O_RDONLY | O_CLOEXEC)
      48 8b 7d 10             mov  rdi, [rbp+16]
      be 00 00 08 00          mov  esi, 0x80000
      31 d2                   xor  edx, edx
      0f 05                   syscall
      85 c0                   test eax, eax
      78 47                   js   failed
      89 c7                   mov  edi, eax             # read(…, rsp, 32768)
      31 c0                   xor  eax, eax
      48 89 e6                mov  rsi, rsp
      ba 00 80 00 00          mov  edx, 32768
      0f 05                   syscall
      85 c0                   test eax, eax
      7e 35                   jle  failed
      c1 e8 03                shr  eax, 3               # struct sock_fprog: how many instructions, and where
      48 89 e1                mov  rcx, rsp
      51                      push rcx
      50                      push rax
      b8 3d 01 00 00          mov  eax, 317             # seccomp(SECCOMP_SET_MODE_FILTER, 0, rsp)
      bf 01 00 00 00          mov  edi, 1
      31 f6                   xor  esi, esi
      48 89 e2                mov  rdx, rsp
      0f 05                   syscall
      85 c0                   test eax, eax
      78 18                   js   failed
      b8 3b 00 00 00          mov  eax, 59              # execve(PROGRAM, ARGUMENTS, environment)
      48 8b 7d 18             mov  rdi, [rbp+24]
      48 8d 75 18             lea  rsi, [rbp+24]
      48 8b 55 00             mov  rdx, [rbp]
      48 8d 54 d5 10          lea  rdx, [rbp+rdx*8+16]
      0f 05                   syscall
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

  private FilterLoader() {}

  /** The whole file: an ELF header, one segment, the instructions. */
  static byte[] program() {
    byte[] complaint = COMPLAINT.getBytes(StandardCharsets.US_ASCII);
    byte[] code = instructions(complaint.length);
    int size = HEADER + SEGMENT + code.length + complaint.length;
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
    return file.put(code).put(complaint).array();
  }

  private static byte[] instructions(int length) {
    String number =
        HexFormat.of()
            .formatHex(
                ByteBuffer.allocate(Integer.BYTES)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putInt(length)
                    .array());
    StringBuilder bytes = new StringBuilder();
    INSTRUCTIONS
        .replace("LENGTH", number)
        .lines()
        // what follows two spaces is for people
        .map(line -> line.split(" {2}", 2)[0].replace(" ", ""))
        .forEach(bytes::append);
    return HexFormat.of().parseHex(bytes);
  }
}
