package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/** kubelet rotates a log: it renames the file, and asks for a new one. */
class ContainerLogRotationIT extends ConformanceSuite {
  ContainerLogRotationIT(NodeUnderTest node) {
    super(node);
  }

  @Test
  void linesGoToANewFileAfterTheOldOneWasRenamed() throws IOException {
    TestContainer container =
        sharedPod()
            .container()
            .shell(
                "echo before; while [ ! -e /go ]; do sleep 0.1; done; echo after; exec sleep 1000000")
            .start();
    assertThat(container.awaitLine()).isEqualTo("before");

    Path old = Files.move(container.logFile(), renamed(container, 1));
    cri().reopenContainerLog(container.id());
    container.execText("touch", "/go");

    assertThat(container.awaitLine()).isEqualTo("after");
    assertThat(ContainerLog.read(old).lines("stdout")).containsExactly("before");
  }

  @Test
  void noLineIsLostOrDoubledWhileItIsRotatedAgainAndAgain() throws IOException {
    int lines = 100_000;
    TestContainer container =
        sharedPod().container().shell("seq %d; exec sleep 1000000".formatted(lines)).start();
    List<Path> files = new ArrayList<>();
    for (int i = 1; i <= 5; i++) {
      files.add(Files.move(container.logFile(), renamed(container, i)));
      cri().reopenContainerLog(container.id());
    }
    files.add(container.logFile());

    List<String> expected = IntStream.rangeClosed(1, lines).mapToObj(Integer::toString).toList();
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .untilAsserted(() -> assertThat(linesOf(files)).hasSize(lines));
    assertThat(linesOf(files)).isEqualTo(expected);
  }

  @Test
  void aDeletedFileIsMadeAnew() throws IOException {
    TestContainer container =
        sharedPod()
            .container()
            .shell(
                "echo before; while [ ! -e /go ]; do sleep 0.1; done; echo after; exec sleep 1000000")
            .start();
    assertThat(container.awaitLine()).isEqualTo("before");

    Files.delete(container.logFile());
    cri().reopenContainerLog(container.id());
    container.execText("touch", "/go");

    assertThat(container.awaitLine()).isEqualTo("after");
  }

  @Test
  void theLogOfAContainerThatHasEndedIsNotReopened() {
    TestContainer container = sharedPod().container().shell("true").runToItsEnd();

    assertThat(refusal(() -> cri().reopenContainerLog(container.id())).getCode())
        .isNotEqualTo(Status.Code.OK);
  }

  @Test
  void theLogOfAContainerThatIsNotThereIsNotFound() {
    assertThat(refusal(() -> cri().reopenContainerLog("0".repeat(64))).getCode())
        .isEqualTo(Status.Code.NOT_FOUND);
  }

  private static Path renamed(TestContainer container, int number) {
    return Path.of(container.logFile() + ".rotated-" + number);
  }

  private static List<String> linesOf(List<Path> files) {
    return files.stream()
        .flatMap(file -> ContainerLog.read(file).lines("stdout").stream())
        .toList();
  }
}
