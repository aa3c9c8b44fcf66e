package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.util.Optional;

/** How this package binds functions of the C library. */
final class Libc {
  private static final Linker LINKER = Linker.nativeLinker();
  private static final StructLayout CAPTURED = Linker.Option.captureStateLayout();
  private static final VarHandle ERRNO =
      CAPTURED.varHandle(MemoryLayout.PathElement.groupElement("errno"));

  private Libc() {}

  /**
   * A function that sets {@code errno}. Its handle takes the segment of {@link #errnoSegment}
   * before the function's own arguments.
   *
   * @param firstVariadic the index of the first variadic argument of the C declaration, or -1 where
   *     it has none
   */
  static MethodHandle function(String name, FunctionDescriptor signature, int firstVariadic) {
    Linker.Option capture = Linker.Option.captureCallState("errno");
    MemorySegment address = address(name);
    return firstVariadic < 0
        ? LINKER.downcallHandle(address, signature, capture)
        : LINKER.downcallHandle(
            address, signature, capture, Linker.Option.firstVariadicArg(firstVariadic));
  }

  /** The same, for a function that is not variadic. */
  static MethodHandle function(String name, FunctionDescriptor signature) {
    return function(name, signature, -1);
  }

  /** A function that never fails. */
  static MethodHandle plainFunction(String name, FunctionDescriptor signature) {
    return LINKER.downcallHandle(address(name), signature);
  }

  /** A function that never fails, if this C library has it. */
  static Optional<MethodHandle> newFunction(String name, FunctionDescriptor signature) {
    return LINKER
        .defaultLookup()
        .find(name)
        .map(address -> LINKER.downcallHandle(address, signature));
  }

  /** Room for the error number of one call. */
  static MemorySegment errnoSegment(Arena arena) {
    return arena.allocate(CAPTURED);
  }

  /** The error number that the call left in {@code segment}. */
  static int errno(MemorySegment segment) {
    return (int) ERRNO.get(segment, 0L);
  }

  /** What a downcall handle declares to throw and never does. */
  static AssertionError unexpected(Throwable failure) {
    return new AssertionError("a downcall handle failed by itself", failure);
  }

  private static MemorySegment address(String name) {
    return LINKER.defaultLookup().findOrThrow(name);
  }

  static {
    if (ValueLayout.ADDRESS.byteSize() != 8) {
      throw new StageletException(ErrorCode.UNIMPLEMENTED, "Stagelet runs on 64-bit Linux only");
    }
  }
}
