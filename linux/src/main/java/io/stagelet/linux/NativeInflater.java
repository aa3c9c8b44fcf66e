package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.zip.DataFormatException;
import org.jspecify.annotations.Nullable;

/**
 * Unpacks raw deflate (RFC 1951) by ISA-L's {@code isal_inflate}, which takes a half to a third of
 * zlib's time. Not every machine has the library: {@link #open} says so.
 *
 * <p>Both ends are buffers outside of Java's heap, because the library keeps pointers to them
 * between two calls. For one thread at a time.
 *
 * <pre>
 *   input(bytes) ──copy──▶ │ kept │ input │ ──▶ isal_inflate ──▶ │ output │ ──copy──▶ inflate(target)
 * </pre>
 */
public final class NativeInflater implements AutoCloseable {
  private static final String LIBRARY = "libisal.so.2";

  // struct inflate_state of igzip_lib.h, the same in all releases of libisal.so.2
  private static final long NEXT_OUT = 0;
  private static final long AVAILABLE_OUT = 8;
  private static final long NEXT_IN = 16;
  private static final long AVAILABLE_IN = 32;
  private static final long UNUSED_BITS = 36;
  private static final long BLOCK_STATE = 21_160;

  /** Of 87,368 bytes; more, for whatever a release adds at its end. */
  private static final long STATE = 128 << 10;

  private static final int FINISHED = 5;

  private static final int MOST_INPUT = 64 << 10;

  /** Each call begins by copying what it may refer back to: large pieces pay. */
  private static final int OUTPUT = 128 << 10;

  private static final int OK = 0;

  private record Functions(LibcFunction init, LibcFunction inflate) {}

  /** Looked for when it is first wanted, not when the program starts. */
  private static final class Bound {
    static final @Nullable Functions FUNCTIONS = bind();

    private Bound() {}
  }

  private final Functions functions;
  private final Arena arena = Arena.ofShared();
  private final MemorySegment errno = LibcFunction.errnoSegment(arena);
  private final MemorySegment state = arena.allocate(STATE, 64);
  private final MemorySegment input = arena.allocate(MOST_INPUT);
  private final MemorySegment output = arena.allocate(OUTPUT);
  private int given;
  private int taken;

  private NativeInflater(Functions functions) {
    this.functions = functions;
    reset();
  }

  /** A new one, to be closed; empty where the machine has no such library. */
  public static Optional<NativeInflater> open() {
    return Optional.ofNullable(Bound.FUNCTIONS).map(NativeInflater::new);
  }

  private static @Nullable Functions bind() {
    try {
      SymbolLookup library = SymbolLookup.libraryLookup(LIBRARY, Arena.global());
      Functions functions =
          new Functions(
              LibcFunction.of(library, "isal_inflate_init"),
              LibcFunction.of(library, "isal_inflate"));
      return right(functions) ? functions : null;
    } catch (IllegalArgumentException | NoSuchElementException lacking) {
      // no such library, or another one of that name: zlib does it
      return null;
    }
  }

  /** Whether it unpacks a stream it should, sees its end, and gives back what is behind it. */
  private static boolean right(Functions functions) {
    // "ab" as it is; then "ab" eight times by the fixed codes, with a reference back
    byte[] packed = {
      0, 2, 0, (byte) 0xfd, (byte) 0xff, 'a', 'b', 75, 76, 74, 68, (byte) 129, 0, 7, 7, 7
    };
    byte[] unpacked = new byte[32];
    try (NativeInflater inflater = new NativeInflater(functions)) {
      inflater.input(packed, 0, packed.length);
      int count = 0;
      for (int more = 1; more > 0 && count < unpacked.length; count += more) {
        more = inflater.inflate(unpacked, count, unpacked.length - count);
      }
      return inflater.finished()
          && inflater.remaining() == 3
          && new String(unpacked, 0, count, StandardCharsets.US_ASCII).equals("ab".repeat(9));
    } catch (DataFormatException other) {
      return false;
    }
  }

  /** Begins with another stream. */
  public void reset() {
    given = 0;
    taken = 0;
    long _ = functions.init().call(errno, state.address());
    set(AVAILABLE_IN, 0);
  }

  /**
   * Gives the next bytes of the stream, when all of those before were used.
   *
   * @return how many it took
   */
  public int input(byte[] bytes, int offset, int length) {
    int count = Math.min(length, MOST_INPUT);
    MemorySegment.copy(bytes, offset, input, ValueLayout.JAVA_BYTE, 0, count);
    state.set(ValueLayout.JAVA_LONG, NEXT_IN, input.address());
    set(AVAILABLE_IN, count);
    return count;
  }

  /**
   * Unpacks some.
   *
   * @return how many bytes; 0 when it wants input, or at the stream's end
   * @throws DataFormatException when this is no deflate
   */
  public int inflate(byte[] target, int offset, int length) throws DataFormatException {
    if (taken == given && !ended()) {
      fill();
    }
    int count = Math.min(length, given - taken);
    MemorySegment.copy(output, ValueLayout.JAVA_BYTE, taken, target, offset, count);
    taken += count;
    return count;
  }

  private void fill() throws DataFormatException {
    state.set(ValueLayout.JAVA_LONG, NEXT_OUT, output.address());
    set(AVAILABLE_OUT, OUTPUT);
    int result = (int) functions.inflate().call(errno, state.address());
    if (result != OK) {
      throw new DataFormatException("not deflate (isal_inflate: %d)".formatted(result));
    }
    given = OUTPUT - get(AVAILABLE_OUT);
    taken = 0;
  }

  private boolean ended() {
    return get(BLOCK_STATE) == FINISHED;
  }

  /** Whether the stream has ended, and all of it was given out. */
  public boolean finished() {
    return ended() && taken == given;
  }

  /** How many bytes of the input are behind the stream's end. */
  public int remaining() {
    return get(AVAILABLE_IN) + get(UNUSED_BITS) / Byte.SIZE;
  }

  private int get(long field) {
    return state.get(ValueLayout.JAVA_INT, field);
  }

  private void set(long field, int value) {
    state.set(ValueLayout.JAVA_INT, field, value);
  }

  /** Frees the memory. */
  @Override
  public void close() {
    arena.close();
  }
}
