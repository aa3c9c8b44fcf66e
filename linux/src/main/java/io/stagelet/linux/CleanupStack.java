package io.stagelet.linux;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Undoes half-done work: each step that acquires something pushes its release; when the whole has
 * succeeded, {@link #keep} forgets the releases; otherwise {@link #close} runs them, last first.
 *
 * <p>For one thread. Meant for try-with-resources around the steps: a failing release never hides
 * the failure that caused it, it is added to it as suppressed.
 */
public final class CleanupStack implements AutoCloseable {
  /** A release; may throw anything. */
  @FunctionalInterface
  public interface Release {
    void run() throws Exception;
  }

  private record Step(String name, Release release) {}

  private final Deque<Step> steps = new ArrayDeque<>();

  /**
   * Adds a release. {@code name} says in an error what could not be released, such as "unmount
   * /run/x".
   */
  public void push(String name, Release release) {
    steps.push(new Step(name, release));
  }

  /** The work is whole: nothing is to be undone. */
  public void keep() {
    steps.clear();
  }

  /**
   * Runs the releases that are left, last first, all of them.
   *
   * @throws StageletException with every failure suppressed in it, when a release failed
   */
  @Override
  public void close() {
    StageletException failed = null;
    while (!steps.isEmpty()) {
      Step step = steps.pop();
      try {
        step.release().run();
      } catch (Exception failure) {
        if (failed == null) {
          failed =
              new StageletException(
                  ErrorCode.INTERNAL,
                  "clean-up failed (%s): %s"
                      .formatted(step.name(), StageletException.reason(failure)),
                  failure);
        } else {
          failed.addSuppressed(failure);
        }
      }
    }
    if (failed != null) {
      throw failed;
    }
  }
}
