package io.stagelet.stage0.spi;

import io.stagelet.linux.StageletException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/**
 * Makes a stage1 for a handler of the configuration; found through {@link java.util.ServiceLoader}.
 */
public interface Stage1Provider {
  /** What {@code stage1 = "…"} in the configuration names, such as {@code oci}. */
  String name();

  /**
   * Makes the stage1 of one handler.
   *
   * @param handler the handler's name, such as {@code crun}
   * @param options the handler's other keys of the configuration
   * @param runDirectory a directory on a tmpfs that belongs to this handler, which may not exist
   *     yet
   * @throws StageletException {@code INVALID_ARGUMENT} for a wrong option, {@code
   *     FAILED_PRECONDITION} when something it needs is not installed
   */
  Stage1 open(String handler, Map<String, String> options, Stage1Host host, Path runDirectory);

  /**
   * A stage1 for the sandboxes and containers of a handler that cannot be opened now: it knows what
   * becomes of those that run, and ends them. For all else it says why not.
   *
   * @param options as with {@link #open}; none when the handler is not in the configuration any
   *     more
   * @param reason why the handler cannot be opened
   * @return empty where nothing can be told of them without what is missing
   */
  default Optional<Stage1> observer(
      String handler,
      Map<String, String> options,
      Stage1Host host,
      Path runDirectory,
      StageletException reason) {
    return Optional.empty();
  }
}
