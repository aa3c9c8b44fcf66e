package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** What a container is told in its environment is for nobody else on the node to read. */
@AlsoOnNspawn
class ContainerSecretsIT extends ConformanceSuite {
  ContainerSecretsIT(NodeUnderTest node) {
    super(node);
  }

  @Test
  void noFileWithAnEnvironmentCanBeReadByOthers() throws IOException {
    stageletOnly("where another runtime keeps its files is not known here");
    String secret = "secret-" + System.nanoTime();
    TestContainer container =
        sharedPod().container().idle().environment("PASSWORD", secret).start();
    StageletRuntime server = (StageletRuntime) node().runtime();

    int found = 0;
    for (Path folder :
        List.of(
            server.runFolder().resolve("containers").resolve(container.id()),
            server.records("containers").resolve(container.id()))) {
      try (Stream<Path> files = Files.list(folder)) {
        for (Path file : files.filter(Files::isRegularFile).toList()) {
          if (Files.readString(file).contains(secret)) {
            found++;
            assertThat(Files.getPosixFilePermissions(file))
                .as(file.toString())
                .doesNotContain(PosixFilePermission.GROUP_READ, PosixFilePermission.OTHERS_READ);
          }
        }
      }
    }
    assertThat(found).as("files that have it").isPositive();
  }
}
