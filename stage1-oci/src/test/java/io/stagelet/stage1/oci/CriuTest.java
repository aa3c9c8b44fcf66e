package io.stagelet.stage1.oci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CriuTest {
  @TempDir private Path folder;

  @Test
  void withoutCriuACheckpointIsUnimplementedAndThePackageIsNamed() {
    assertThatThrownBy(() ->
            Criu.binary(
                "container x cannot be checkpointed", List.of(folder.resolve("criu"), folder)))
        .isInstanceOfSatisfying(
            StageletException.class,
            refusal -> assertThat(refusal.code()).isEqualTo(ErrorCode.UNIMPLEMENTED))
        .hasMessageContainingAll(
            "container x cannot be checkpointed", "not installed", "install the package criu");
  }

  @Test
  void theLastErrorsOfItsLogAreInTheMessage() throws IOException {
    Path log = folder.resolve("restore.log");
    Files.writeString(
        log,
        """
        (00.000001) Version: 4.1.1
        (00.004632) Error (criu/util.c:1533): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted
        (00.096789)      1: Error (criu/files-reg.c:2294): File fd/1 has bad mode
        (00.103247) Error (criu/cr-restore.c:2320): Restoring FAILED.
        """);

    assertThat(Criu.withComplaints("crun is sad", Optional.of(log)))
        .isEqualTo(
            "crun is sad; criu says: 1: Error (criu/files-reg.c:2294): File fd/1 has bad mode; Error (criu/cr-restore.c:2320): Restoring FAILED.");
    assertThat(Criu.withComplaints("", Optional.of(folder.resolve("absent")))).isEmpty();
    assertThat(Criu.withComplaints("as ever", Optional.empty())).isEqualTo("as ever");
  }
}
