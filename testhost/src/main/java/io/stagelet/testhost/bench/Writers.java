package io.stagelet.testhost.bench;

import java.io.IOException;
import java.nio.file.Path;

/** Containers of one runtime whose output goes into log files; each runs a shell script. */
interface Writers extends AutoCloseable {
  /**
   * A container that was started.
   *
   * @param log its log file
   */
  record Written(String id, Path log) {}

  /**
   * Starts a container. The benchmark's folder is {@code /bench} in it.
   *
   * @param name no other container has it
   */
  Written start(String name, String shell) throws IOException;

  /** As {@link #start}, in a pod of its own, where the runtime has pods. */
  Written startApart(String name, String shell) throws IOException;

  /** Whether its first process has ended. */
  boolean ended(Written written) throws IOException;

  /** The unit whose processes carry the output. */
  String unit();

  /** Removes the containers. */
  @Override
  void close() throws IOException;
}
