package io.stagelet.cri.streaming;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;

/** How a session's end is told on its error stream, by the protocol's version. */
final class CommandStatus {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int INTERNAL_ERROR = 500;

  private CommandStatus() {}

  /**
   * What is written on the error stream; nothing for a success before version 4.
   *
   * @param version of the protocol, 1 to 5
   */
  static ByteBuf of(Ending ending, int version) {
    return Unpooled.copiedBuffer(
        version >= 4 ? document(ending) : words(ending), StandardCharsets.UTF_8);
  }

  private static String words(Ending ending) {
    return switch (ending) {
      case Ending.Exited(int code) -> code == 0 ? "" : exited(code);
      case Ending.Failed(String message) -> message;
    };
  }

  private static String exited(int code) {
    return "command terminated with non-zero exit code: " + code;
  }

  /** A Status of Kubernetes' meta/v1. */
  private static String document(Ending ending) {
    ObjectNode status = JSON.createObjectNode();
    status.putObject("metadata");
    switch (ending) {
      case Ending.Exited(int code) when code == 0 -> status.put("status", "Success");
      case Ending.Exited(int code) -> {
        status
            .put("status", "Failure")
            .put("message", exited(code))
            .put("reason", "NonZeroExitCode");
        status
            .putObject("details")
            .putArray("causes")
            .addObject()
            .put("reason", "ExitCode")
            .put("message", String.valueOf(code));
      }
      case Ending.Failed(String message) -> {
        status.put("status", "Failure").put("message", message).put("reason", "InternalError");
        status.putObject("details").putArray("causes").addObject().put("message", message);
        status.put("code", INTERNAL_ERROR);
      }
    }
    return status.toString();
  }
}
