package io.stagelet.linux;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/**
 * A filter of system calls ({@code seccomp(2)}) in the making, by the machine's libseccomp; what it
 * writes is the program that the kernel takes. For one thread at a time.
 */
public final class SeccompFilter implements AutoCloseable {
  private static final String LIBRARY = "libseccomp.so.2";

  /** {@code __NR_SCMP_ERROR}: no system call of any architecture has this name. */
  private static final int UNKNOWN = -1;

  /** {@code struct scmp_arg_cmp}: two numbers of 32 bits, two of 64. */
  private static final long CONDITION_BYTES = 24;

  /** What becomes of a call. */
  public enum Action {
    ALLOW(0x7fff_0000),
    LOG(0x7ffc_0000),
    TRACE(0x7ff0_0000),
    ERRNO(0x0005_0000),
    TRAP(0x0003_0000),
    KILL_THREAD(0),
    KILL_PROCESS(0x8000_0000);

    private final int code;

    Action(int code) {
      this.code = code;
    }
  }

  /**
   * An action with its number.
   *
   * @param data the error number of {@link Action#ERRNO}, the message of {@link Action#TRACE}
   */
  public record Verdict(Action action, int data) {
    private int code() {
      return switch (action) {
        case ERRNO, TRACE -> action.code | (data & 0xffff);
        case ALLOW, LOG, TRAP, KILL_THREAD, KILL_PROCESS -> action.code;
      };
    }
  }

  /** How an argument is compared. */
  public enum Comparison {
    NE(1),
    LT(2),
    LE(3),
    EQ(4),
    GE(5),
    GT(6),
    MASKED_EQ(7);

    private final int code;

    Comparison(int code) {
      this.code = code;
    }
  }

  /**
   * What is asked of an argument.
   *
   * @param value what it is compared with; the mask of {@link Comparison#MASKED_EQ}
   * @param second what the masked argument is compared with
   */
  public record Condition(int argument, Comparison comparison, long value, long second) {}

  /** Bound when it is first wanted: a machine may have no libseccomp. */
  private static final class Bound {
    static final LibcFunction INIT;
    static final LibcFunction RELEASE;
    static final LibcFunction ARCHITECTURE;
    static final LibcFunction ADD_ARCHITECTURE;
    static final LibcFunction SYSTEM_CALL;
    static final LibcFunction ADD_RULE;
    static final LibcFunction EXPORT;

    static {
      SymbolLookup library = SymbolLookup.libraryLookup(LIBRARY, Arena.global());
      INIT = LibcFunction.of(library, "seccomp_init");
      RELEASE = LibcFunction.of(library, "seccomp_release");
      ARCHITECTURE = LibcFunction.of(library, "seccomp_arch_resolve_name");
      ADD_ARCHITECTURE = LibcFunction.of(library, "seccomp_arch_add");
      SYSTEM_CALL = LibcFunction.of(library, "seccomp_syscall_resolve_name");
      ADD_RULE = LibcFunction.of(library, "seccomp_rule_add_array");
      EXPORT = LibcFunction.of(library, "seccomp_export_bpf");
    }

    private Bound() {}
  }

  private final Verdict otherwise;
  private final long context;

  private SeccompFilter(Verdict otherwise, long context) {
    this.otherwise = otherwise;
    this.context = context;
  }

  /**
   * A filter without rules.
   *
   * @param otherwise what becomes of calls that no rule is about
   * @throws StageletException {@code FAILED_PRECONDITION} when the machine has no libseccomp
   */
  public static SeccompFilter of(Verdict otherwise) {
    try (Arena arena = Arena.ofConfined()) {
      long context = Bound.INIT.call(LibcFunction.errnoSegment(arena), otherwise.code());
      if (context == 0) {
        throw new StageletException(
            ErrorCode.INTERNAL, "libseccomp makes no filter with the action " + otherwise);
      }
      return new SeccompFilter(otherwise, context);
    } catch (ExceptionInInitializerError | NoClassDefFoundError absent) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "there is no %s for a seccomp filter; install libseccomp".formatted(LIBRARY),
          absent);
    }
  }

  /**
   * Has the filter hold for programs of another architecture as well.
   *
   * @param name as {@code SCMP_ARCH_…} ends
   * @throws StageletException {@code INVALID_ARGUMENT} when there is none of that name
   */
  public void architecture(String name) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      int token =
          (int)
              Bound.ARCHITECTURE.call(
                  errno, arena.allocateFrom(name.toLowerCase(Locale.ROOT)).address());
      if (token == 0) {
        throw new StageletException(
            ErrorCode.INVALID_ARGUMENT, "libseccomp knows no architecture " + name);
      }
      int result = (int) Bound.ADD_ARCHITECTURE.call(errno, context, token);
      if (result != -Errno.EEXIST) {
        done(result, "the architecture " + name);
      }
    }
  }

  /**
   * Says what becomes of a system call; one that this libseccomp does not know is left out, as a
   * profile lists those of newer kernels, too.
   *
   * @param conditions all of which must hold
   * @throws StageletException {@code INVALID_ARGUMENT} when libseccomp takes no such rule
   */
  public void rule(String systemCall, Verdict verdict, List<Condition> conditions) {
    if (verdict.code() == otherwise.code()) {
      return; // libseccomp refuses what says nothing
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment errno = LibcFunction.errnoSegment(arena);
      int number = (int) Bound.SYSTEM_CALL.call(errno, arena.allocateFrom(systemCall).address());
      if (number == UNKNOWN) {
        return;
      }
      MemorySegment compared = arena.allocate(Math.max(1, conditions.size()) * CONDITION_BYTES, 8);
      long offset = 0;
      for (Condition condition : conditions) {
        compared.set(ValueLayout.JAVA_INT, offset, condition.argument());
        compared.set(ValueLayout.JAVA_INT, offset + 4, condition.comparison().code);
        compared.set(ValueLayout.JAVA_LONG, offset + 8, condition.value());
        compared.set(ValueLayout.JAVA_LONG, offset + 16, condition.second());
        offset += CONDITION_BYTES;
      }
      int result =
          (int)
              Bound.ADD_RULE.call(
                  errno, context, verdict.code(), number, conditions.size(), compared.address());
      if (result != -Errno.EEXIST) {
        done(result, "a rule about %s with %s".formatted(systemCall, conditions));
      }
    }
  }

  /** Writes the program into a file. */
  public void writeTo(Path file) {
    int fd =
        new DescriptorCalls()
            .open(
                file,
                DescriptorCalls.O_WRONLY | DescriptorCalls.O_CREAT | DescriptorCalls.O_TRUNC,
                0644);
    try (Arena arena = Arena.ofConfined()) {
      done((int) Bound.EXPORT.call(LibcFunction.errnoSegment(arena), context, fd), "the filter");
    } finally {
      Descriptors.close(fd);
    }
  }

  private static void done(int result, String what) {
    if (result < 0) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "libseccomp does not take %s: error number %d".formatted(what, -result));
    }
  }

  @Override
  public void close() {
    try (Arena arena = Arena.ofConfined()) {
      Bound.RELEASE.call(LibcFunction.errnoSegment(arena), context);
    }
  }
}
