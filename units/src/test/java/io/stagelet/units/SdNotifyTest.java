package io.stagelet.units;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.Command;
import io.stagelet.linux.Descriptors;
import io.stagelet.linux.UnixDatagrams;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SdNotifyTest {
  private static final Duration SOON = Duration.ofSeconds(5);

  @TempDir Path directory;

  @Test
  void eachNotificationIsOneDatagram() {
    String address = directory.resolve("notify").toString();
    try (UnixDatagrams systemd = UnixDatagrams.bound(address)) {
      SdNotify notify = new SdNotify(Optional.of(address));
      assertThat(notify.present()).isTrue();
      notify.ready();
      assertThat(next(systemd)).isEqualTo("READY=1");
      notify.status("two\nlines");
      assertThat(next(systemd)).isEqualTo("STATUS=two lines");
      notify.stopping();
      assertThat(next(systemd)).isEqualTo("STOPPING=1");
      notify.watchdog();
      assertThat(next(systemd)).isEqualTo("WATCHDOG=1");
      notify.removeStored("a");
      assertThat(next(systemd)).isEqualTo("FDSTOREREMOVE=1\nFDNAME=a");
    }
  }

  @Test
  void aReloadCarriesTheTimeSinceBoot() throws Exception {
    String address = "@stagelet-test-" + UUID.randomUUID();
    try (UnixDatagrams systemd = UnixDatagrams.bound(address)) {
      new SdNotify(Optional.of(address)).reloading();
      String message = next(systemd);
      assertThat(message).startsWith("RELOADING=1\nMONOTONIC_USEC=");
      double uptime =
          Double.parseDouble(java.nio.file.Files.readString(Path.of("/proc/uptime")).split(" ")[0]);
      double sent = Long.parseLong(message.substring(message.lastIndexOf('=') + 1)) / 1e6;
      assertThat(sent).isBetween(uptime - 10, uptime + 10);
    }
  }

  @Test
  void aStoredDescriptorGoesAlongWithItsName() {
    Path fifo = directory.resolve("fifo");
    Command.of("mkfifo", fifo.toString()).runChecked();
    int fd = Descriptors.openFifoForReading(fifo);
    String address = directory.resolve("notify").toString();
    try (UnixDatagrams systemd = UnixDatagrams.bound(address)) {
      new SdNotify(Optional.of(address)).store("stdout-1", fd);
      UnixDatagrams.Received received = systemd.receive(SOON);
      assertThat(new String(received.payload(), UTF_8))
          .isEqualTo("FDSTORE=1\nFDPOLL=0\nFDNAME=stdout-1");
      assertThat(received.descriptors()).hasSize(1);
      received.descriptors().forEach(Descriptors::close);
    } finally {
      Descriptors.close(fd);
    }
  }

  @Test
  void withoutASocketNothingIsSentAndNothingFails() {
    SdNotify notify = new SdNotify(Optional.empty());
    assertThat(notify.present()).isFalse();
    notify.ready();
    notify.store("a", 0);
    assertThat(new SdNotify(Optional.of("vsock:2:1234")).present()).isFalse();
  }

  @Test
  void aNameThatSystemdWouldRefuseIsRefused() {
    SdNotify notify = new SdNotify(Optional.empty());
    for (String name : new String[] {"", "a:b", "a\nb", "é", "x".repeat(256)}) {
      assertThatThrownBy(() -> notify.store(name, 0)).isInstanceOf(IllegalArgumentException.class);
    }
  }

  @Test
  void theWatchdogIsThisProcesssOnly() {
    assertThat(SdNotify.watchdogInterval(Optional.of("1500000"), Optional.of("7"), 7))
        .contains(Duration.ofMillis(1500));
    assertThat(SdNotify.watchdogInterval(Optional.of("1500000"), Optional.empty(), 7))
        .contains(Duration.ofMillis(1500));
    assertThat(SdNotify.watchdogInterval(Optional.of("1500000"), Optional.of("8"), 7)).isEmpty();
    assertThat(SdNotify.watchdogInterval(Optional.of("0"), Optional.empty(), 7)).isEmpty();
    assertThat(SdNotify.watchdogInterval(Optional.of("x"), Optional.empty(), 7)).isEmpty();
    assertThat(SdNotify.watchdogInterval(Optional.empty(), Optional.empty(), 7)).isEmpty();
  }

  private static String next(UnixDatagrams systemd) {
    return new String(systemd.receive(SOON).payload(), UTF_8);
  }
}
