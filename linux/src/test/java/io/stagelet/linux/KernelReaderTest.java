package io.stagelet.linux;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Small files of the kernel, many of them. */
class KernelReaderTest {
  private final KernelReader reader = new KernelReader();

  @TempDir private Path place;

  @Test
  void oneAfterTheOtherIsReadWhole() throws IOException {
    assertThat(reader.text(Path.of("/proc/self/comm")))
        .isEqualTo(Files.readString(Path.of("/proc/self/comm")).strip());
    assertThat(reader.text(Path.of("/proc/sys/kernel/ostype"))).isEqualTo("Linux");
    // longer than the page that the kernel gives at once
    assertThat(reader.text(Path.of("/proc/self/smaps"))).hasSizeGreaterThan(8192);
    assertThat(reader.text(Path.of("/proc/sys/kernel/ostype"))).isEqualTo("Linux");
  }

  @Test
  void whatCannotBeReadIsEmpty() {
    assertThat(reader.text(place.resolve("nothing"))).isEmpty();
    assertThat(reader.text(place)).isEmpty();
    assertThat(reader.text(place.resolve("a".repeat(5000)))).isEmpty();
  }

  @Test
  void noMoreThanItsRoomIsRead() throws IOException {
    Path file = Files.writeString(place.resolve("long"), "a".repeat(100_000));

    assertThat(reader.text(file)).hasSize(64 << 10);
  }
}
