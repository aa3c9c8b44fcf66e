package io.stagelet.cri;

import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CniWatchTest {
  @TempDir private Path folder;
  private final AtomicInteger told = new AtomicInteger();

  private CniWatch watch(Path directory) {
    return new CniWatch(List.of(directory), told::incrementAndGet);
  }

  /** Does something, and waits until it was told of. */
  private void isTold(Action action) throws IOException {
    int before = told.get();
    action.run();
    await("to be told").atMost(Duration.ofSeconds(20)).until(() -> told.get() > before);
  }

  private interface Action {
    void run() throws IOException;
  }

  @Test
  void filesThatAreMadeChangedAndRemovedAreTold() throws IOException {
    Path directory = Files.createDirectory(folder.resolve("net.d"));
    Path file = directory.resolve("10.conflist");
    try (CniWatch _ = watch(directory)) {
      isTold(() -> Files.writeString(file, "one"));
      isTold(() -> Files.writeString(file, "two"));
      isTold(() -> Files.delete(file));
    }
  }

  @Test
  void aDirectoryThatIsMadeLaterIsWatched() throws IOException {
    Path directory = folder.resolve("cni/net.d");
    try (CniWatch _ = watch(directory)) {
      isTold(() -> Files.createDirectories(directory));
      isTold(() -> Files.writeString(directory.resolve("10.conflist"), "one"));
    }
  }

  @Test
  void aDirectoryThatIsRemovedAndMadeAgainIsWatched() throws IOException {
    Path directory = Files.createDirectory(folder.resolve("net.d"));
    try (CniWatch _ = watch(directory)) {
      for (int i = 0; i < 3; i++) {
        isTold(() -> Files.delete(directory));
        isTold(() -> Files.createDirectory(directory));
        Path file = directory.resolve("10.conflist");
        isTold(() -> Files.writeString(file, "one"));
        isTold(() -> Files.delete(file));
      }
    }
  }

  @Test
  void aDirectoryThatTookAnothersPlaceIsWatched() throws IOException {
    Path directory = Files.createDirectory(folder.resolve("net.d"));
    Path other = Files.createDirectory(folder.resolve("new"));
    try (CniWatch _ = watch(directory)) {
      isTold(() -> {
        Files.move(directory, folder.resolve("old"));
        Files.move(other, directory);
      });
      isTold(() -> Files.writeString(directory.resolve("10.conflist"), "one"));
    }
  }
}
