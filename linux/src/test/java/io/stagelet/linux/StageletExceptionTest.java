package io.stagelet.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StageletExceptionTest {
  @Test
  void theReasonSaysWhatIsWrongWithAFile(@TempDir Path directory) throws IOException {
    Path missing = directory.resolve("missing");
    Path file = Files.createFile(directory.resolve("file"));

    assertThat(StageletException.reason(catchThrowable(() -> Files.readString(missing))))
        .isEqualTo("no such file or directory: " + missing);
    assertThat(StageletException.reason(catchThrowable(() -> Files.createFile(file))))
        .isEqualTo("it exists already: " + file);
    assertThat(StageletException.reason(catchThrowable(() -> Files.list(file))))
        .isEqualTo("not a directory: " + file);
    assertThat(StageletException.reason(catchThrowable(() -> Files.delete(directory))))
        .isEqualTo("the directory is not empty: " + directory);
  }

  @Test
  void theReasonIsTheMessageOrTheTypesName() {
    assertThat(StageletException.reason(new FileSystemException("a", null, "it is too hot")))
        .isEqualTo("a: it is too hot");
    assertThat(StageletException.reason(new IOException("cold"))).isEqualTo("cold");
    assertThat(StageletException.reason(new IOException())).isEqualTo("IOException");
  }
}
