package io.stagelet.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Raw descriptors, FIFOs and epoll, on this machine's kernel. */
class DescriptorCallsTest {
  @TempDir Path directory;
  private final DescriptorCalls calls = new DescriptorCalls();

  @Test
  void appendsAndReadsBack() throws IOException {
    Path path = directory.resolve("file");
    int flags = DescriptorCalls.O_RDWR | DescriptorCalls.O_CREAT | DescriptorCalls.O_APPEND;
    int fd = calls.open(path, flags, 0600);
    assertThat(calls.write(fd, direct("hello"))).isEqualTo(5);
    assertThat(Files.readString(path)).isEqualTo("hello");
    ByteBuffer buffer = ByteBuffer.allocateDirect(10);
    assertThat(calls.readAt(fd, buffer, 2)).isEqualTo(3);
    assertThat(buffer.position()).isEqualTo(3);
    calls.truncate(fd, 1);
    DescriptorCalls.Status status = calls.status(fd);
    assertThat(status.size()).isEqualTo(1);
    assertThat(status.links()).isEqualTo(1);
    assertThat(status.inode()).isEqualTo(Files.getAttribute(path, "unix:ino"));
    Files.delete(path);
    assertThat(calls.status(fd).links()).isZero();
    calls.close(fd);
  }

  @Test
  void saysWhichFileCouldNotBeOpenedAndWhy() {
    Path missing = directory.resolve("missing");
    assertThatThrownBy(() -> calls.open(missing, DescriptorCalls.O_RDONLY, 0))
        .isInstanceOfSatisfying(
            SystemCallException.class,
            failure -> assertThat(failure.errno()).isEqualTo(Errno.ENOENT))
        .hasMessageContaining(missing.toString())
        .hasMessageContaining("No such file");
  }

  @Test
  void makesAFifoWithExactlyThePermissionsAskedFor() throws IOException {
    Path path = directory.resolve("fifo");
    Fifo.make(path, 0666, -1, -1);
    assertThat(Fifo.isFifo(path)).isTrue();
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(path)))
        .isEqualTo("rw-rw-rw-");
    Fifo.make(path, 0600, -1, -1);
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(path)))
        .isEqualTo("rw-------");
  }

  @Test
  void doesNotTakeAnotherFileForAFifo() throws IOException {
    Path path = Files.createFile(directory.resolve("file"));
    assertThatThrownBy(() -> Fifo.make(path, 0666, -1, -1))
        .isInstanceOf(SystemCallException.class)
        .hasMessageContaining("mkfifo");
  }

  @Test
  void splicesFromAFifoToThePlaceInAFile() throws IOException {
    Path fifo = directory.resolve("fifo");
    Path file = directory.resolve("file");
    Fifo.make(fifo, 0600, -1, -1);
    int reader = Fifo.openForReading(fifo);
    int target = calls.open(file, DescriptorCalls.O_RDWR | DescriptorCalls.O_CREAT, 0600);
    assertThat(calls.splice(reader, target, 0, 100)).as("no writer yet").isZero();
    int writer = calls.open(fifo, DescriptorCalls.O_WRONLY, 0);
    assertThat(calls.splice(reader, target, 0, 100)).isEqualTo(-Errno.EAGAIN);
    calls.write(writer, direct("abcdef"));
    assertThat(calls.splice(reader, target, 0, 4)).isEqualTo(4);
    assertThat(calls.splice(reader, target, 4, 100)).isEqualTo(2);
    assertThat(Files.readString(file)).isEqualTo("abcdef");
    calls.close(writer);
    assertThat(calls.splice(reader, target, 6, 100)).as("the writer went").isZero();
    calls.close(reader);
    calls.close(target);
  }

  @Test
  void reportsNoHangUpBeforeAFirstWriterCame() {
    Path fifo = directory.resolve("fifo");
    Fifo.make(fifo, 0600, -1, -1);
    int reader = Fifo.openForReading(fifo);
    List<Integer> seen = new ArrayList<>();
    try (Epoll epoll = new Epoll()) {
      epoll.add(reader, Epoll.EPOLLIN | Epoll.EPOLLET, 7);
      Epoll.Events taker =
          (token, events) -> {
            assertThat(token).isEqualTo(7);
            seen.add(events);
          };
      epoll.await(50, taker);
      assertThat(seen).isEmpty();
      for (int writers = 0; writers < 2; writers++) {
        int writer = calls.open(fifo, DescriptorCalls.O_WRONLY, 0);
        seen.clear();
        calls.write(writer, direct("x"));
        epoll.await(1000, taker);
        assertThat(seen).hasSize(1).allMatch(events -> (events & Epoll.EPOLLIN) != 0);
        calls.close(writer);
        seen.clear();
        epoll.await(1000, taker);
        assertThat(seen).hasSize(1).allMatch(events -> (events & Epoll.EPOLLHUP) != 0);
        seen.clear();
        epoll.await(50, taker);
        assertThat(seen).as("a hang-up is told once").isEmpty();
      }
    }
    calls.close(reader);
  }

  @Test
  void wakesAWaitingThread() throws InterruptedException {
    try (Epoll epoll = new Epoll()) {
      Thread waker = Thread.ofPlatform().start(epoll::wake);
      epoll.await(60_000, (token, events) -> {});
      waker.join();
    }
  }

  private static ByteBuffer direct(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocateDirect(bytes.length).put(bytes).flip();
  }
}
