package io.stagelet.linux;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class UnixDatagramsTest {
  private static final Duration SOON = Duration.ofSeconds(5);

  @TempDir Path directory;

  @Test
  void datagramsArriveWholeAndInOrder() {
    String address = directory.resolve("socket").toString();
    try (UnixDatagrams receiver = UnixDatagrams.bound(address);
        UnixDatagrams sender = UnixDatagrams.unbound()) {
      sender.send(address, "one".getBytes(UTF_8));
      sender.send(address, new byte[0]);
      sender.send(address, new byte[100_000]);
      assertThat(receiver.receive(SOON).payload()).isEqualTo("one".getBytes(UTF_8));
      assertThat(receiver.receive(SOON).payload()).isEmpty();
      assertThat(receiver.receive(SOON).payload()).hasSize(100_000);
    }
  }

  @Test
  void anAbstractAddressWorksAsWell() {
    String address = "@stagelet-test-" + UUID.randomUUID();
    try (UnixDatagrams receiver = UnixDatagrams.bound(address);
        UnixDatagrams sender = UnixDatagrams.unbound()) {
      sender.send(address, "hello".getBytes(UTF_8));
      assertThat(receiver.receive(SOON).payload()).isEqualTo("hello".getBytes(UTF_8));
    }
  }

  @Test
  void descriptorsArriveAsDuplicatesThatProgramsDoNotInherit() throws Exception {
    Path fifo = directory.resolve("fifo");
    Command.of("mkfifo", fifo.toString()).runChecked();
    int first = Descriptors.openFifoForReading(fifo);
    int second = Descriptors.openFifoForBoth(fifo);
    String address = directory.resolve("socket").toString();
    try (UnixDatagrams receiver = UnixDatagrams.bound(address);
        UnixDatagrams sender = UnixDatagrams.unbound()) {
      sender.send(address, "two".getBytes(UTF_8), first, second);
      UnixDatagrams.Received received = receiver.receive(SOON);
      assertThat(received.descriptors()).hasSize(2).doesNotContain(first, second);
      for (int fd : received.descriptors()) {
        assertThat(Descriptors.kind(fd)).isEqualTo(Descriptors.Kind.FIFO);
        assertThat(Descriptors.isCloseOnExec(fd)).isTrue();
        assertThat(Files.readSymbolicLink(Path.of("/proc/self/fd/" + fd))).isEqualTo(fifo);
        Descriptors.close(fd);
        assertThat(Descriptors.isOpen(fd)).isFalse();
      }
    } finally {
      Descriptors.close(first);
      Descriptors.close(second);
    }
  }

  @Test
  void sendingToNobodyNamesTheAddressAndTheReason() {
    String address = directory.resolve("absent").toString();
    try (UnixDatagrams sender = UnixDatagrams.unbound()) {
      assertThatThrownBy(() -> sender.send(address, new byte[1]))
          .isInstanceOfSatisfying(
              SystemCallException.class,
              failure -> assertThat(failure.errno()).isEqualTo(Errno.ENOENT))
          .hasMessageContaining(address);
    }
  }

  @Test
  void anAddressThatDoesNotFitIsRefused() {
    try (UnixDatagrams sender = UnixDatagrams.unbound()) {
      assertThatThrownBy(() -> sender.send("/" + "x".repeat(107), new byte[1]))
          .hasMessageContaining("no address of a unix socket");
      assertThatThrownBy(() -> sender.send("", new byte[1]))
          .hasMessageContaining("no address of a unix socket");
    }
  }

  @Test
  void waitingForADatagramEnds() {
    try (UnixDatagrams receiver = UnixDatagrams.bound("@stagelet-test-" + UUID.randomUUID())) {
      assertThatThrownBy(() -> receiver.receive(Duration.ofMillis(20)))
          .isInstanceOfSatisfying(
              StageletException.class,
              failure -> assertThat(failure.code()).isEqualTo(ErrorCode.DEADLINE_EXCEEDED));
    }
  }

  @Test
  void aBoundAddressIsNotBoundTwiceAndTheSecondSocketIsClosed() throws Exception {
    String address = directory.resolve("socket").toString();
    try (UnixDatagrams receiver = UnixDatagrams.bound(address)) {
      long before = openDescriptors();
      assertThatThrownBy(() -> UnixDatagrams.bound(address))
          .hasMessageContaining("bind of " + address);
      assertThat(openDescriptors()).isEqualTo(before);
      assertThat(receiver).isNotNull();
    }
  }

  @Test
  void aClosedSocketSendsNoMore() {
    UnixDatagrams sender = UnixDatagrams.unbound();
    sender.close();
    sender.close();
    assertThatThrownBy(() -> sender.send("@x", new byte[1]))
        .isInstanceOf(IllegalStateException.class);
  }

  private static long openDescriptors() throws Exception {
    try (var entries = Files.list(Path.of("/proc/self/fd"))) {
      return entries.count();
    }
  }
}
