package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.util.Optional;

/**
 * A function of the C library that takes up to six integers and pointers.
 *
 * <p>All are called through one handle, with six registers: a function looks at as many as it has
 * parameters, and of an {@code int} at the lower half (System V x86-64, AAPCS64; variadic functions
 * are no exception there). A handle for each signature would be a dozen generated classes each,
 * which take memory and a good part of the start.
 *
 * <p>Pointers are passed by {@link MemorySegment#address()}: the caller keeps their arenas open.
 * The result is a register as well: {@code (int)} makes an {@code int} of it.
 */
final class LibcFunction {
  private static final Linker LINKER = Linker.nativeLinker();
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
  private static final MethodHandle CALL =
      LINKER.downcallHandle(
          FunctionDescriptor.of(LONG, LONG, LONG, LONG, LONG, LONG, LONG),
          Linker.Option.captureCallState("errno"));
  private static final MemoryLayout CAPTURED = Linker.Option.captureStateLayout();
  private static final VarHandle ERRNO =
      CAPTURED.varHandle(MemoryLayout.PathElement.groupElement("errno"));

  private final MemorySegment address;

  private LibcFunction(MemorySegment address) {
    this.address = address;
  }

  static {
    if (ValueLayout.ADDRESS.byteSize() != 8) {
      throw new StageletException(ErrorCode.UNIMPLEMENTED, "Stagelet runs on 64-bit Linux only");
    }
  }

  /** The function of that name. */
  static LibcFunction of(String name) {
    return new LibcFunction(LINKER.defaultLookup().findOrThrow(name));
  }

  /** The function of that name, where this C library has it. */
  static Optional<LibcFunction> find(String name) {
    return LINKER.defaultLookup().find(name).map(LibcFunction::new);
  }

  /** The function of that name in another library, which stays loaded. */
  static LibcFunction of(SymbolLookup library, String name) {
    return new LibcFunction(library.findOrThrow(name));
  }

  /** Room for the error number of a call. */
  static MemorySegment errnoSegment(Arena arena) {
    return arena.allocate(CAPTURED);
  }

  /** The error number that the last call left in {@code segment}, if that call failed. */
  static int errno(MemorySegment segment) {
    return (int) ERRNO.get(segment, 0L);
  }

  long call(MemorySegment errno) {
    return call(errno, 0, 0, 0, 0, 0, 0);
  }

  long call(MemorySegment errno, long a) {
    return call(errno, a, 0, 0, 0, 0, 0);
  }

  long call(MemorySegment errno, long a, long b) {
    return call(errno, a, b, 0, 0, 0, 0);
  }

  long call(MemorySegment errno, long a, long b, long c) {
    return call(errno, a, b, c, 0, 0, 0);
  }

  long call(MemorySegment errno, long a, long b, long c, long d) {
    return call(errno, a, b, c, d, 0, 0);
  }

  long call(MemorySegment errno, long a, long b, long c, long d, long e) {
    return call(errno, a, b, c, d, e, 0);
  }

  /**
   * Calls the function.
   *
   * @param errno of {@link #errnoSegment}: takes the error number
   */
  long call(MemorySegment errno, long a, long b, long c, long d, long e, long f) {
    try {
      return (long) CALL.invokeExact(address, errno, a, b, c, d, e, f);
    } catch (Throwable failure) {
      throw new AssertionError("a downcall handle failed by itself", failure);
    }
  }
}
