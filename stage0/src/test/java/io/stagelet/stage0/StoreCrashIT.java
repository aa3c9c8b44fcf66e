package io.stagelet.stage0;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A program that works on the store is killed at a hundred random moments. Each time the store is
 * whole, and the next pull works. {@code -Dstage0.crashes=N} for another number, {@code
 * -Dstage0.seed=N} for moments that were chosen before.
 */
@Timeout(900)
class StoreCrashIT {
  private static final int CRASHES = Integer.getInteger("stage0.crashes", 100);
  private static final int LONGEST_LIFE_MILLIS = 400;

  @TempDir(factory = OnDisk.class)
  Path directory;

  @Test
  void killedAtAnyMomentTheStoreIsWholeAndTheNextPullWorks() throws Exception {
    long seed = Long.getLong("stage0.seed", System.nanoTime());
    Random random = new Random(seed);
    Path store = directory.resolve("store");
    try (TestRegistry registry = new TestRegistry()) {
      List<byte[]> layers = new ArrayList<>();
      for (int i = 0; i < 6; i++) {
        byte[] content = new byte[150_000];
        random.nextBytes(content);
        layers.add(
            new TarBuilder()
                .directory("d" + i)
                .file("d" + i + "/noise", content)
                .file("d" + i + "/small", "layer " + i)
                .build());
      }
      ImageReference all = new TestImage(layers).push(registry, "a/all", "1");
      ImageReference some = new TestImage(layers.subList(0, 3)).push(registry, "a/some", "2");
      for (int crash = 0; crash < CRASHES; crash++) {
        int life = random.nextInt(LONGEST_LIFE_MILLIS);
        killedAfter(life, store, all.canonical(), some.canonical());
        try (ImageService images = open(store)) {
          String when = "crash %d after %d ms, seed %d".formatted(crash, life, seed);
          assertThat(images.check(true, false)).as(when).isEmpty();
          Image image = images.pull(all, Credentials.none(), PullListener.NONE);
          assertThat(images.check(true, false)).as(when).isEmpty();
          assertThat(image.diffIds()).hasSize(6);
          if (crash % 3 == 0) {
            images.list().forEach(each -> images.remove(each.id().toString()));
            assertThat(images.usage().bytes()).as(when).isZero();
            assertThat(files(store.resolve("layers"))).as(when).isZero();
            assertThat(files(store.resolve("blobs"))).as(when).isZero();
          }
          // only this session's own
          assertThat(children(store.resolve("sessions"))).as(when).hasSize(1);
        }
      }
    }
  }

  private static ImageService open(Path store) {
    return new ImageService(
        store,
        ImageSettings.defaults(),
        Registries.of(RegistryEndpoints.named(Set.of())),
        Clock.systemUTC());
  }

  private void killedAfter(int millis, Path store, String... images) throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(
                ProcessHandle.current().info().command().orElseThrow(),
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Xshare:auto",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                CrashingStore.class.getName(),
                store.toString()));
    command.addAll(List.of(images));
    Path errors = directory.resolve("errors");
    Process child = new ProcessBuilder(command).redirectError(errors.toFile()).start();
    try (BufferedReader output = child.inputReader(StandardCharsets.UTF_8)) {
      assertThat(output.readLine()).isEqualTo("ready");
      Thread.sleep(millis);
    } finally {
      child.destroyForcibly();
      int ended = child.waitFor();
      // it never ends by itself
      assertThat(ended).as(Files.readString(errors)).isEqualTo(128 + 9);
    }
  }

  private static List<Path> children(Path directory) throws IOException {
    try (Stream<Path> paths = Files.list(directory)) {
      return paths.toList();
    }
  }

  private static long files(Path directory) throws IOException {
    try (Stream<Path> paths = Files.walk(directory)) {
      return paths.filter(Files::isRegularFile).count();
    }
  }
}
