package io.stagelet.stage1.nspawn;

/**
 * Becomes another program under an AppArmor profile: {@code profile-setter "exec PROFILE" PROGRAM
 * ARGUMENTS…}. {@code setpriv --apparmor-profile} looks for AppArmor's own filesystem first, which
 * containers do not have.
 */
final class ProfileSetter {
  /** apparmor(7): what is written to it holds for the program that is executed next; Linux 5.8. */
  private static final String ATTRIBUTE = "/proc/thread-self/attr/apparmor/exec";

  private static final String INSTRUCTIONS =
      """
      48 89 e5                mov  rbp, rsp             # argc, argv[0], "exec PROFILE", PROGRAM, …
      b8 02 00 00 00          mov  eax, 2               # open(ATTRIBUTE, O_WRONLY | O_CLOEXEC)
      48 8d 3d WORDS          lea  rdi, [rip+…]
      be 01 00 08 00          mov  esi, 0x80001
      31 d2                   xor  edx, edx
      0f 05                   syscall
      85 c0                   test eax, eax
      78 FAILED               js   failed
      89 c7                   mov  edi, eax             # write(…, "exec PROFILE", its length)
      48 8b 75 10             mov  rsi, [rbp+16]
      31 d2                   xor  edx, edx
      80 3c 16 00      count: cmp  byte [rsi+rdx], 0
      74 04                   je   counted
      ff c2                   inc  edx
      eb f6                   jmp  count
      b8 01 00 00 00  counted: mov eax, 1
      0f 05                   syscall
      85 c0                   test eax, eax
      7e FAILED               jle  failed
      """;

  private ProfileSetter() {}

  /** What the kernel is told. */
  static String words(String profile) {
    return "exec " + profile;
  }

  /** The file. */
  static byte[] program() {
    return StaticProgram.of(
        INSTRUCTIONS, ATTRIBUTE, "stagelet: the container's AppArmor profile cannot be set");
  }
}
