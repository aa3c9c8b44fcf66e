package io.stagelet.cri.streaming;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** What a token stands for: all that a client may do with it. */
public sealed interface StreamRequest {
  /** The first part of its URL's path. */
  String kind();

  /**
   * Exec or attach.
   *
   * @param kind {@code exec} or {@code attach}
   * @param host what the client talks to
   */
  record CommandSession(
      String kind,
      boolean stdin,
      boolean stdout,
      boolean stderr,
      boolean terminal,
      HostEndOpener host)
      implements StreamRequest {}

  /**
   * Port-forward.
   *
   * @param pod what it is called in messages
   * @param networkNamespace where the pod's network namespace is mounted; absent when it shares the
   *     host's
   * @param ports those that may be connected to; any when empty
   */
  record PortSession(String pod, Optional<Path> networkNamespace, List<Integer> ports)
      implements StreamRequest {
    public PortSession {
      ports = List.copyOf(ports);
    }

    @Override
    public String kind() {
      return "portforward";
    }
  }
}
