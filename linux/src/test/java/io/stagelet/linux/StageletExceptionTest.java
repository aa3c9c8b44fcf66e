package io.stagelet.linux;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import org.junit.jupiter.api.Test;

class StageletExceptionTest {
  @Test
  void theReasonSaysWhatIsWrongWithAFile() {
    assertThat(StageletException.reason(new NoSuchFileException("/a")))
        .isEqualTo("no such file or directory: /a");
    assertThat(StageletException.reason(new AccessDeniedException("/a")))
        .isEqualTo("permission denied: /a");
    assertThat(StageletException.reason(new FileAlreadyExistsException("/a")))
        .isEqualTo("it exists already: /a");
    assertThat(StageletException.reason(new NotDirectoryException("/a")))
        .isEqualTo("not a directory: /a");
    assertThat(StageletException.reason(new DirectoryNotEmptyException("/a")))
        .isEqualTo("the directory is not empty: /a");
  }

  @Test
  void theReasonIsTheMessageOrTheTypesName() {
    assertThat(StageletException.reason(new FileSystemException("/a", null, "it is too hot")))
        .isEqualTo("/a: it is too hot");
    assertThat(StageletException.reason(new IOException("cold"))).isEqualTo("cold");
    assertThat(StageletException.reason(new IOException())).isEqualTo("IOException");
  }
}
