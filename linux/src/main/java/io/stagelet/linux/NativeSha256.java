package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * SHA-256 by the machine's libcrypto. It uses the processor's instructions for it, which Java's own
 * does only where the JVM's second compiler is on. For one thread at a time, as every {@link
 * MessageDigest}.
 *
 * <p>Of the library's two interfaces this uses the plain functions, which every release since 0.9.8
 * has in the same form: they need no memory but the 112 bytes of their state, and load no
 * configuration and no providers.
 */
public final class NativeSha256 extends MessageDigest {
  private static final List<String> LIBRARIES =
      List.of("libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so.4");
  private static final int LENGTH = 32;

  /** {@code SHA256_CTX}: eight words, two of the length, sixteen of data, two numbers. */
  private static final int STATE = 112;

  /** So that a garbage collection waits for no more than some 100 µs. */
  private static final int MOST_AT_ONCE = 128 << 10;

  /**
   * One handle for all three functions: a number or native address, something that may be a Java
   * array (handed over without a copy), a length; what a function has no parameter for, it does not
   * look at. A handle for each would be a dozen generated classes each.
   */
  private static final MethodHandle CALL =
      Linker.nativeLinker()
          .downcallHandle(
              FunctionDescriptor.of(
                  ValueLayout.JAVA_INT,
                  ValueLayout.JAVA_LONG,
                  ValueLayout.ADDRESS,
                  ValueLayout.JAVA_LONG),
              Linker.Option.critical(true));

  private record Functions(MemorySegment init, MemorySegment update, MemorySegment finish) {}

  /** Looked for when it is first wanted, not when the program starts. */
  private static final class Bound {
    static final @Nullable Functions FUNCTIONS = bind();

    private Bound() {}
  }

  private final Functions functions;
  private final MemorySegment state;

  private NativeSha256(Functions functions) {
    super("SHA-256");
    this.functions = functions;
    // freed when nobody has it any more: a digest is not closed
    this.state = Arena.ofAuto().allocate(STATE + LENGTH, 8);
    start();
  }

  /** A new one; empty where the machine has no such library. */
  public static Optional<MessageDigest> open() {
    return Optional.ofNullable(Bound.FUNCTIONS).map(NativeSha256::new);
  }

  private static @Nullable Functions bind() {
    for (String library : LIBRARIES) {
      try {
        SymbolLookup symbols = SymbolLookup.libraryLookup(library, Arena.global());
        Functions functions =
            new Functions(
                symbols.findOrThrow("SHA256_Init"),
                symbols.findOrThrow("SHA256_Update"),
                symbols.findOrThrow("SHA256_Final"));
        if (right(functions)) {
          return functions;
        }
      } catch (IllegalArgumentException | NoSuchElementException lacking) {
        // no such library, or one without these functions: the next, or Java's
        continue;
      }
    }
    return null;
  }

  /** Whether it says of "abc" what the standard says (FIPS 180-4). */
  private static boolean right(Functions functions) {
    byte[] found = new NativeSha256(functions).digest("abc".getBytes(StandardCharsets.US_ASCII));
    return HexFormat.of()
        .formatHex(found)
        .equals("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  }

  private static void call(
      MemorySegment function, MemorySegment first, MemorySegment second, long third) {
    int result;
    try {
      result = (int) CALL.invokeExact(function, first.address(), second, third);
    } catch (Throwable failure) {
      throw new AssertionError("a downcall handle failed by itself", failure);
    } finally {
      Reference.reachabilityFence(first);
    }
    if (result != 1) {
      throw new IllegalStateException("libcrypto's SHA-256 fails");
    }
  }

  private void start() {
    call(functions.init(), state, MemorySegment.NULL, 0);
  }

  @Override
  protected void engineUpdate(byte input) {
    engineUpdate(new byte[] {input}, 0, 1);
  }

  @Override
  protected void engineUpdate(byte[] input, int offset, int length) {
    Objects.checkFromIndexSize(offset, length, input.length);
    MemorySegment all = MemorySegment.ofArray(input);
    for (int done = 0; done < length; done += MOST_AT_ONCE) {
      int piece = Math.min(MOST_AT_ONCE, length - done);
      call(functions.update(), state, all.asSlice(offset + done, piece), piece);
    }
  }

  @Override
  protected byte[] engineDigest() {
    MemorySegment digest = state.asSlice(STATE, LENGTH);
    call(functions.finish(), digest, state, 0);
    byte[] copy = digest.toArray(ValueLayout.JAVA_BYTE);
    start();
    return copy;
  }

  @Override
  protected int engineGetDigestLength() {
    return LENGTH;
  }

  @Override
  protected void engineReset() {
    start();
  }
}
