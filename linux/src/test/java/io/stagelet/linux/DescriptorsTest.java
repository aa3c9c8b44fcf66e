package io.stagelet.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DescriptorsTest {
  @TempDir Path directory;

  @Test
  void tellsAFifoAndMakesItCloseOnExec() {
    Path fifo = directory.resolve("fifo");
    Command.of("mkfifo", fifo.toString()).runChecked();
    int fd = Descriptors.openFifoForBoth(fifo);
    try {
      assertThat(Descriptors.kind(fd)).isEqualTo(Descriptors.Kind.FIFO);
      Descriptors.setCloseOnExec(fd);
      assertThat(Descriptors.isCloseOnExec(fd)).isTrue();
    } finally {
      Descriptors.close(fd);
    }
  }

  @Test
  void openingAFifoForReadingDoesNotWaitForAWriter() {
    Path fifo = directory.resolve("fifo");
    Command.of("mkfifo", fifo.toString()).runChecked();
    int fd = Descriptors.openFifoForReading(fifo);
    assertThat(Descriptors.isOpen(fd)).isTrue();
    Descriptors.close(fd);
  }

  @Test
  void aNumberThatIsNotOpenIsSaidSo() {
    assertThat(Descriptors.isOpen(987_654)).isFalse();
    assertThatThrownBy(() -> Descriptors.kind(987_654)).hasMessageContaining("descriptor 987654");
    assertThatThrownBy(() -> Descriptors.setCloseOnExec(987_654))
        .hasMessageContaining("descriptor 987654");
    assertThatThrownBy(() -> Descriptors.close(987_654)).hasMessageContaining("descriptor 987654");
  }

  @Test
  void openingWhatIsNotThereNamesThePath() {
    assertThatThrownBy(() -> Descriptors.openFifoForReading(directory.resolve("absent")))
        .hasMessageContaining(directory.resolve("absent").toString());
  }
}
