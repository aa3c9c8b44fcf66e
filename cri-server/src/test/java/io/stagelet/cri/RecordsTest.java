package io.stagelet.cri;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a crash leaves beside the records. */
class RecordsTest {
  @TempDir private Path root;
  @TempDir private Path copies;

  @Test
  void aCopyWhoseRecordIsGoneIsForgotten() throws IOException {
    Records records = new Records(root, copies);
    Path known = Files.createDirectory(root.resolve("containers/aaa")).resolve("record.json");
    Files.createFile(known);
    Path kept = Files.createFile(copies.resolve("containers/aaa.json"));
    Path cutShort = Files.createFile(copies.resolve("containers/aaa.json.new"));
    Path ofNobody = Files.createFile(copies.resolve("containers/bbb.json"));
    Files.createDirectory(root.resolve("sandboxes/ccc"));
    Path ofADirectory = Files.createFile(copies.resolve("sandboxes/ccc.json"));

    records.forgetLostCopies();

    assertThat(kept).exists();
    assertThat(cutShort).doesNotExist();
    assertThat(ofNobody).doesNotExist();
    assertThat(ofADirectory).doesNotExist();
  }
}
