package io.stagelet.cri.command;

import java.nio.file.Path;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/** Which server is asked. */
final class ServerOption {
  @CommandLine.Option(
      names = "--control",
      paramLabel = "SOCKET",
      description =
          "The server's control socket (default: control.sock in the folder that the configuration"
              + " calls run).")
  private @Nullable Path control;

  ControlClient client(Supplier<Path> runDirectory) {
    return new ControlClient(
        control != null ? control : runDirectory.get().resolve("control.sock"));
  }
}
