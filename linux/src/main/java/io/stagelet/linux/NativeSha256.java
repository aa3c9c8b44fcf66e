package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
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

  private record Functions(MethodHandle init, MethodHandle update, MethodHandle finish) {}

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
    this.state = Arena.ofAuto().allocate(STATE, 8);
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
                function(symbols, "SHA256_Init", ValueLayout.ADDRESS),
                function(
                    symbols,
                    "SHA256_Update",
                    ValueLayout.ADDRESS,
                    ValueLayout.ADDRESS,
                    ValueLayout.JAVA_LONG),
                function(symbols, "SHA256_Final", ValueLayout.ADDRESS, ValueLayout.ADDRESS));
        if (right(functions)) {
          return functions;
        }
      } catch (IllegalArgumentException | java.util.NoSuchElementException lacking) {
        // no such library, or one without these functions: the next, or Java's
        continue;
      }
    }
    return null;
  }

  private static MethodHandle function(
      SymbolLookup symbols, String name, java.lang.foreign.MemoryLayout... arguments) {
    return Linker.nativeLinker()
        .downcallHandle(
            symbols.findOrThrow(name),
            FunctionDescriptor.of(ValueLayout.JAVA_INT, arguments),
            // Java's arrays are handed over without a copy
            Linker.Option.critical(true));
  }

  /** Whether it says of "abc" what the standard says (FIPS 180-4). */
  private static boolean right(Functions functions) {
    byte[] found = new NativeSha256(functions).digest("abc".getBytes(StandardCharsets.US_ASCII));
    return HexFormat.of()
        .formatHex(found)
        .equals("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  }

  private void start() {
    try {
      succeeded((int) functions.init().invokeExact(state));
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
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
      try {
        succeeded(
            (int)
                functions
                    .update()
                    .invokeExact(state, all.asSlice(offset + done, piece), (long) piece));
      } catch (Throwable failure) {
        throw Libc.unexpected(failure);
      }
    }
  }

  @Override
  protected byte[] engineDigest() {
    byte[] digest = new byte[LENGTH];
    try {
      succeeded((int) functions.finish().invokeExact(MemorySegment.ofArray(digest), state));
    } catch (Throwable failure) {
      throw Libc.unexpected(failure);
    }
    start();
    return digest;
  }

  @Override
  protected int engineGetDigestLength() {
    return LENGTH;
  }

  @Override
  protected void engineReset() {
    start();
  }

  private static void succeeded(int result) {
    if (result != 1) {
      throw new IllegalStateException("libcrypto's SHA-256 fails");
    }
  }
}
