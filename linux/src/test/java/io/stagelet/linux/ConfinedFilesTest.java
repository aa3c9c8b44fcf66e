package io.stagelet.linux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ConfinedFilesTest {
  @TempDir private Path folder;

  @Test
  void directoriesThatAreMissingAreMade() throws IOException {
    Files.createDirectories(folder.resolve("srv"));

    ConfinedFiles.makeDirectories(folder, "/srv/a/b");
    ConfinedFiles.makeDirectories(folder, "/srv/a/b");

    assertThat(folder.resolve("srv/a/b")).isDirectory();
  }

  @Test
  void aLinkIsFollowedInsideOfTheTree() throws IOException {
    Files.createDirectories(folder.resolve("data"));
    Files.createSymbolicLink(folder.resolve("link"), Path.of("/../data"));

    ConfinedFiles.makeDirectories(folder, "/link/a");

    assertThat(folder.resolve("data/a")).isDirectory();
  }

  @Test
  void whatIsNoDirectoryIsInTheWay() throws IOException {
    Files.writeString(folder.resolve("file"), "");
    Files.createSymbolicLink(folder.resolve("dangling"), Path.of("/nowhere"));

    assertThatThrownBy(() -> ConfinedFiles.makeDirectories(folder, "/file/a"))
        .isInstanceOf(SystemCallException.class);
    assertThatThrownBy(() -> ConfinedFiles.makeDirectories(folder, "/dangling/a"))
        .isInstanceOf(SystemCallException.class);
  }
}
