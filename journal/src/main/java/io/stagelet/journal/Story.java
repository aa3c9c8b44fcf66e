package io.stagelet.journal;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;

/**
 * What the present thread is working on: journal fields (the pod, the container, kubelet's call)
 * that every message carries which is logged meanwhile, by whichever room. So one query finds a
 * pod's whole story, and a log statement need not name the pod.
 *
 * <p>The fields hold within the work given to {@code about}, on its thread alone: what is handed to
 * another thread names its subject anew.
 */
public final class Story {
  private static final ScopedValue<Map<String, String>> FIELDS = ScopedValue.newInstance();

  private Story() {}

  /**
   * Does the work, whose messages are about these fields and those of the work around it.
   *
   * @throws IllegalArgumentException when a name is no journal field's
   */
  public static <T> T about(Map<String, String> fields, Supplier<T> work) {
    return ScopedValue.where(FIELDS, with(fields)).call(work::get);
  }

  /** As the other, for work without a result. */
  public static void about(Map<String, String> fields, Runnable work) {
    ScopedValue.where(FIELDS, with(fields)).run(work);
  }

  /**
   * The same work, for another thread: its messages are about what the present thread works on now.
   */
  public static Runnable carried(Runnable work) {
    Map<String, String> fields = fields();
    return () -> ScopedValue.where(FIELDS, fields).run(work);
  }

  /** The fields that hold now. */
  public static Map<String, String> fields() {
    return FIELDS.isBound() ? FIELDS.get() : Map.of();
  }

  private static Map<String, String> with(Map<String, String> fields) {
    fields.keySet().forEach(NativeProtocol::checkName);
    Map<String, String> all = new LinkedHashMap<>(fields());
    all.putAll(fields);
    return Collections.unmodifiableMap(all);
  }
}
