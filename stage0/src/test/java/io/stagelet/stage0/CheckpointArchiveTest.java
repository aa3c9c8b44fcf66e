package io.stagelet.stage0;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.FileAttributes;
import io.stagelet.linux.StageletException;
import io.stagelet.linux.TreePath;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CheckpointArchiveTest {
  private static final FileAttributes PLAIN = new FileAttributes(0, 0, 0644, 0, 0, Map.of());
  private static final String CONFIG =
      "{\"rootfsImageRef\": \"0123\", \"rootfsImageName\": \"example/image:1\"}";
  private static final String SPEC =
      "{\"process\": {\"args\": [\"sh\", \"-c\"]}, \"mounts\": [{\"type\": \"proc\", \"destination\": \"/proc\"}, {\"type\": \"bind\", \"destination\": \"/volume\"}]}";

  @TempDir private Path folder;

  private Path from;
  private Path to;
  private Path archive;

  @BeforeEach
  void directories() throws IOException {
    from = Files.createDirectory(folder.resolve("from"));
    to = Files.createDirectory(folder.resolve("to"));
    archive = folder.resolve("checkpoint.tar");
    Files.createDirectory(from.resolve(CheckpointArchive.PROCESSES));
    Files.writeString(from.resolve("checkpoint/inventory.img"), "processes");
    Files.writeString(from.resolve("dump.log"), "said");
    Files.writeString(from.resolve("something-else"), "unknown");
    CheckpointArchive.keepDescription(bytes(CONFIG), bytes(SPEC), from);
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static List<String> below(Path directory) throws IOException {
    try (Stream<Path> all = Files.walk(directory)) {
      return all.filter(Files::isRegularFile)
          .map(file -> directory.relativize(file).toString())
          .sorted()
          .toList();
    }
  }

  private void refused(String... words) {
    assertThatThrownBy(() -> CheckpointArchive.unpackAnybodys(archive, to))
        .isInstanceOfSatisfying(
            StageletException.class,
            refusal -> assertThat(refusal.code()).isEqualTo(ErrorCode.DATA_LOSS))
        .hasMessageContaining(archive.toString())
        .hasMessageContainingAll(words);
  }

  /** An archive with what every one has, and then these. */
  private void hostile(Entries more) throws IOException {
    try (OutputStream output = Files.newOutputStream(archive)) {
      TarWriter tar = new TarWriter(output);
      file(tar, output, TreePath.of("config.dump"), CONFIG);
      file(tar, output, TreePath.of("spec.dump"), SPEC);
      more.write(tar, output);
      tar.end();
    }
  }

  private interface Entries {
    void write(TarWriter tar, OutputStream output) throws IOException;
  }

  private static void file(TarWriter tar, OutputStream output, TreePath path, String text)
      throws IOException {
    tar.entry(path, TarWriter.Type.FILE, PLAIN, text.length(), "", 0, 0);
    output.write(bytes(text));
    tar.pad(text.length());
  }

  @Test
  void whatIsWrittenIsUnpackedAndToldOf() throws IOException {
    CheckpointArchive.write(from, archive);

    CheckpointArchive.Description description = CheckpointArchive.unpackAnybodys(archive, to);

    assertThat(description)
        .isEqualTo(
            new CheckpointArchive.Description(
                "0123", "example/image:1", List.of("sh", "-c"), List.of("/volume")));
    assertThat(below(to))
        .containsExactly("checkpoint/inventory.img", "config.dump", "dump.log", "spec.dump");
    assertThat(to.resolve("checkpoint/inventory.img")).hasContent("processes");
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(archive)))
        .isEqualTo("rw-------");
    assertThat(folder.resolve("checkpoint.tar.new")).doesNotExist();
  }

  @Test
  void anArchiveThatCannotBeWrittenLeavesNothing() throws IOException {
    Files.delete(from.resolve("checkpoint/inventory.img"));
    Files.delete(from.resolve("checkpoint"));

    assertThatThrownBy(() -> CheckpointArchive.write(from, archive))
        .isInstanceOf(IOException.class);

    assertThat(archive).doesNotExist();
    assertThat(folder.resolve("checkpoint.tar.new")).doesNotExist();
  }

  @Test
  void pathsThatLeadOutLeadNowhere() throws IOException {
    hostile((tar, output) -> {
      file(tar, output, TreePath.of("checkpoint/inventory.img"), "processes");
      file(tar, output, TreePath.of("../../outside"), "x");
      file(tar, output, TreePath.of("/outside"), "x");
      file(tar, output, TreePath.of("checkpoint/../../outside"), "x");
      file(tar, output, TreePath.of("checkpoint/below/deep"), "x");
      tar.entry(TreePath.of("checkpoint"), TarWriter.Type.SYMBOLIC_LINK, PLAIN, 0, "/tmp", 0, 0);
      file(tar, output, TreePath.of("checkpoint/core-1.img"), "one");
    });

    CheckpointArchive.Description _ = CheckpointArchive.unpackAnybodys(archive, to);

    assertThat(below(to))
        .containsExactly(
            "checkpoint/core-1.img", "checkpoint/inventory.img", "config.dump", "spec.dump");
    assertThat(below(folder)).noneMatch(name -> name.contains("outside"));
  }

  @Test
  void aLinkInPlaceOfAFileIsRefused() throws IOException {
    hostile((tar, _) ->
        tar.entry(
            TreePath.of("checkpoint/inventory.img"),
            TarWriter.Type.SYMBOLIC_LINK,
            PLAIN,
            0,
            "/etc/shadow",
            0,
            0));

    refused("checkpoint/inventory.img is not a file");
  }

  @Test
  void oneThatIsCutOffOrLacksSomethingIsRefused() throws IOException {
    hostile((_, _) -> {});
    refused("no state of processes");
    CheckpointArchive.write(from, folder.resolve("whole.tar"));
    byte[] whole = Files.readAllBytes(folder.resolve("whole.tar"));
    Files.write(archive, Arrays.copyOf(whole, 530));
    refused("ends");
    Files.writeString(archive, "rubbish".repeat(1000));
    refused("damaged");
  }
}
