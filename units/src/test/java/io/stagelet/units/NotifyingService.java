package io.stagelet.units;

import io.stagelet.linux.Descriptors;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;

/**
 * A service for the tests: its first run stores the read end of a FIFO, a later one reports what
 * came back and what was in it.
 */
final class NotifyingService {
  private NotifyingService() {}

  public static void main(String[] arguments) throws IOException, InterruptedException {
    Path fifo = Path.of(arguments[0]);
    Path report = Path.of(arguments[1]);
    SdNotify notify = new SdNotify(Optional.ofNullable(System.getenv("NOTIFY_SOCKET")));
    List<InheritedDescriptor> inherited =
        SocketActivation.take(System.getenv(), ProcessHandle.current().pid());
    if (inherited.isEmpty()) {
      notify.store("stream-1", Descriptors.openFifoForReading(fifo));
      notify.store("stream-2", Descriptors.openFifoForReading(fifo));
      notify.removeStored("stream-2");
    }
    // opening a FIFO for reading waits for a writer, so this is one
    int writer = Descriptors.openFifoForBoth(fifo);
    for (InheritedDescriptor descriptor : inherited) {
      Files.writeString(
          report,
          "%s %s %s: %s"
              .formatted(
                  descriptor.name(),
                  Descriptors.kind(descriptor.fd()),
                  Descriptors.isCloseOnExec(descriptor.fd()),
                  firstLine(Path.of("/proc/self/fd/" + descriptor.fd()))),
          StandardOpenOption.CREATE,
          StandardOpenOption.APPEND);
    }
    Descriptors.close(writer);
    notify.status("serving");
    notify.ready();
    Thread.sleep(1_000_000);
  }

  private static String firstLine(Path file) throws IOException {
    try (BufferedReader reader = Files.newBufferedReader(file)) {
      return reader.readLine();
    }
  }
}
