package io.stagelet.units;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.BitSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Sets of processors or memory nodes in the kernel's list format ({@code cpuset(7)}). */
final class CpuList {
  private static final Pattern RANGE = Pattern.compile("(\\d{1,5})(?:-(\\d{1,5}))?");

  /** The kernel has at most 8192 processors. */
  private static final int MOST = 8192;

  private CpuList() {}

  static BitSet parse(String list) {
    BitSet set = new BitSet();
    if (list.isBlank()) {
      return set;
    }
    for (String part : list.strip().split(",", -1)) {
      Matcher range = RANGE.matcher(part.strip());
      if (!range.matches()) {
        throw bad(list, part);
      }
      int first = Integer.parseInt(range.group(1));
      int last = range.group(2) == null ? first : Integer.parseInt(range.group(2));
      if (last < first || last >= MOST) {
        throw bad(list, part);
      }
      set.set(first, last + 1);
    }
    return set;
  }

  private static StageletException bad(String list, String part) {
    return new StageletException(
        ErrorCode.INVALID_ARGUMENT,
        "'%s' is not a list of processors or memory nodes such as 0-3,7: '%s' is neither a number below %d nor a range"
            .formatted(list, part, MOST));
  }
}
