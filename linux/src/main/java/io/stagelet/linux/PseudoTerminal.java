package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;

/**
 * A pseudo-terminal of this host ({@code pty(7)}).
 *
 * @param master its master, which does not wait; whoever made it closes it
 * @param device what a program opens as its terminal
 */
public record PseudoTerminal(int master, Path device) {
  private static final long TIOCSPTLCK = 0x40045431;
  private static final long TIOCGPTN = 0x80045430;
  private static final long TIOCSWINSZ = 0x5414;
  private static final long TCGETS = 0x5401;
  private static final long TCSETS = 0x5402;
  private static final int TERMIOS_BYTES = 64;

  // termios(3), cfmakeraw: what is taken out of each flag word
  private static final int RAW_INPUT = 0x1 | 0x2 | 0x8 | 0x20 | 0x40 | 0x80 | 0x100 | 0x400;
  private static final int RAW_OUTPUT = 0x1;
  private static final int RAW_LOCAL = 0x1 | 0x2 | 0x8 | 0x40 | 0x8000;
  private static final int CONTROL_SIZE = 0x30;
  private static final int CONTROL_EIGHT_BITS = 0x30;

  private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT;
  private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT;
  private static final LibcFunction IOCTL = LibcFunction.of("ioctl");

  /**
   * A new one that passes every byte on as it is, both ways, and echoes none: for a program that
   * relays another terminal.
   */
  public static PseudoTerminal openRaw() {
    DescriptorCalls calls = new DescriptorCalls();
    int noControllingTerminal = 0x100;
    int master =
        calls.open(
            Path.of("/dev/ptmx"),
            DescriptorCalls.O_RDWR | DescriptorCalls.O_NONBLOCK | noControllingTerminal,
            0);
    try (CleanupStack undo = new CleanupStack();
        Arena arena = Arena.ofConfined()) {
      undo.push("close the terminal", () -> calls.close(master));
      MemorySegment number = arena.allocate(INT);
      ioctl(arena, master, TIOCSPTLCK, number, "TIOCSPTLCK");
      ioctl(arena, master, TIOCGPTN, number, "TIOCGPTN");
      MemorySegment termios = arena.allocate(TERMIOS_BYTES, 8);
      ioctl(arena, master, TCGETS, termios, "TCGETS");
      termios.set(INT, 0, termios.get(INT, 0) & ~RAW_INPUT);
      termios.set(INT, 4, termios.get(INT, 4) & ~RAW_OUTPUT);
      termios.set(INT, 8, (termios.get(INT, 8) & ~CONTROL_SIZE) | CONTROL_EIGHT_BITS);
      termios.set(INT, 12, termios.get(INT, 12) & ~RAW_LOCAL);
      ioctl(arena, master, TCSETS, termios, "TCSETS");
      undo.keep();
      return new PseudoTerminal(master, Path.of("/dev/pts", String.valueOf(number.get(INT, 0))));
    }
  }

  /**
   * A new one of another instance of the terminals' filesystem ({@code devpts}), such as a
   * machine's, with the modes that the kernel gives it.
   *
   * @param ptmx that instance's {@code ptmx}
   * @return its master, and its device as it is called where that instance is {@code /dev/pts}
   */
  public static PseudoTerminal openOf(Path ptmx) {
    DescriptorCalls calls = new DescriptorCalls();
    int noControllingTerminal = 0x100;
    int master =
        calls.open(
            ptmx, DescriptorCalls.O_RDWR | DescriptorCalls.O_CLOEXEC | noControllingTerminal, 0);
    try (CleanupStack undo = new CleanupStack();
        Arena arena = Arena.ofConfined()) {
      undo.push("close the terminal", () -> calls.close(master));
      MemorySegment number = arena.allocate(INT);
      ioctl(arena, master, TIOCSPTLCK, number, "TIOCSPTLCK");
      ioctl(arena, master, TIOCGPTN, number, "TIOCGPTN");
      undo.keep();
      return new PseudoTerminal(master, Path.of("/dev/pts", String.valueOf(number.get(INT, 0))));
    }
  }

  /** Sets the size of the terminal that a descriptor is open on, and tells its programs. */
  public static void resize(int fd, int columns, int rows) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment size = arena.allocate(8, 2);
      size.set(SHORT, 0, (short) rows);
      size.set(SHORT, 2, (short) columns);
      ioctl(arena, fd, TIOCSWINSZ, size, "TIOCSWINSZ");
    }
  }

  private static void ioctl(
      Arena arena, int fd, long request, MemorySegment argument, String name) {
    try {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      int result = (int) IOCTL.call(errno, fd, request, argument.address());
      if (result < 0) {
        throw new SystemCallException(
            "ioctl(%s)".formatted(name), "descriptor " + fd, LibcFunction.errno(errno));
      }
    } catch (StageletException failure) {
      throw failure;
    }
  }
}
