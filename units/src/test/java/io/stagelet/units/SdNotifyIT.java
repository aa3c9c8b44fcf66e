package io.stagelet.units;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.linux.Command;
import io.stagelet.linux.Descriptors;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A real service that stores a descriptor, is restarted, and gets it back. */
class SdNotifyIT {
  @TempDir Path directory;

  @Test
  void aStoredFifoComesBackAfterARestartWithWhatWasWrittenMeanwhile() throws Exception {
    Path fifo = directory.resolve("fifo");
    Path report = directory.resolve("report");
    Command.of("mkfifo", fifo.toString()).runChecked();
    UnitName unit =
        UnitName.readable(
            "ctr", List.of("notify"), UUID.randomUUID().toString().replace("-", ""), "service");
    try (Units units = Units.connect()) {
      try {
        units.start(
            TransientUnit.service(unit)
                .type(ServiceType.NOTIFY)
                .notifyAccess(NotifyAccess.MAIN)
                .fileDescriptorStoreMax(4)
                .execStart(
                    List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        classPath(NotifyingService.class, SdNotify.class, Descriptors.class),
                        NotifyingService.class.getName(),
                        fifo.toString(),
                        report.toString()),
                    false)
                .build(),
            Duration.ofSeconds(60));
        Awaitility.await()
            .untilAsserted(() ->
                assertThat(units.status(unit).orElseThrow().statusText()).isEqualTo("serving"));
        assertThat(show(unit, "NFileDescriptorStore")).isEqualTo("1");
        // the service holds the read end, so this neither waits nor fails; nobody reads it yet
        Command.of("sh", "-c", "echo kept > " + fifo).runChecked();
        Command.of("systemctl", "restart", unit.value())
            .withDeadline(Duration.ofSeconds(60))
            .runChecked();
        assertThat(Files.readString(report)).isEqualTo("stream-1 FIFO true: kept");
        assertThat(show(unit, "NFileDescriptorStore")).isEqualTo("1");
      } finally {
        units.stop(unit, Duration.ofSeconds(60));
        units.resetFailed(unit);
      }
    }
  }

  private static String show(UnitName unit, String property) {
    return Command.of("systemctl", "show", "-P", property, unit.value())
        .runChecked()
        .text()
        .strip();
  }

  /** Where these classes were loaded from, whatever way the tests are started. */
  private static String classPath(Class<?>... classes) throws URISyntaxException {
    Set<String> places = new LinkedHashSet<>();
    for (Class<?> each : classes) {
      places.add(
          Path.of(each.getProtectionDomain().getCodeSource().getLocation().toURI()).toString());
    }
    return String.join(":", places);
  }
}
