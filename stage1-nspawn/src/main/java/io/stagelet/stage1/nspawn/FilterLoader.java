package io.stagelet.stage1.nspawn;

/**
 * Gives itself a seccomp filter and becomes another program: {@code filter-loader FILTER PROGRAM
 * ARGUMENTS…}. Unlike {@code setpriv --seccomp-filter} it leaves {@code no_new_privs} as it is:
 * then whoever runs it needs {@code CAP_SYS_ADMIN}.
 */
final class FilterLoader {
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
      78 FAILED               js   failed
      89 c7                   mov  edi, eax             # read(…, rsp, 32768)
      31 c0                   xor  eax, eax
      48 89 e6                mov  rsi, rsp
      ba 00 80 00 00          mov  edx, 32768
      0f 05                   syscall
      85 c0                   test eax, eax
      7e FAILED               jle  failed
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
      78 FAILED               js   failed
      """;

  private FilterLoader() {}

  /** The file. */
  static byte[] program() {
    return StaticProgram.of(
        INSTRUCTIONS, "", "stagelet: the container's seccomp filter cannot be loaded");
  }
}
