package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.cri.conformance.ContainerLog.Entry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;

/** What a container writes is in the file that kubelet reads, in the form that kubelet reads. */
class ContainerLogIT extends ConformanceSuite {
  ContainerLogIT(NodeUnderTest node) {
    super(node);
  }

  private static List<Entry> awaitEntries(TestContainer container, int count) {
    return Awaitility.await("%d entries in %s".formatted(count, container.logFile()))
        .atMost(Duration.ofSeconds(60))
        .until(() -> container.log().entries(), entries -> entries.size() >= count);
  }

  @Test
  void eachLineIsAnEntryWithItsTimeAndStream() {
    Instant before = Instant.now();
    TestContainer container =
        sharedPod().container().shell("echo out one; echo err one >&2; echo out two").start();

    List<Entry> entries = awaitEntries(container, 3);

    assertThat(container.log().lines("stdout")).containsExactly("out one", "out two");
    assertThat(container.log().lines("stderr")).containsExactly("err one");
    assertThat(entries).allMatch(Entry::whole);
    assertThat(entries)
        .extracting(Entry::time)
        .allSatisfy(time -> assertThat(time).isBetween(before.minusMillis(10), Instant.now()));
  }

  @Test
  void theTimesOfAStreamDoNotGoBack() {
    TestContainer container =
        sharedPod().container().shell("for i in $(seq 200); do echo $i; done").start();

    assertThat(awaitEntries(container, 200))
        .extracting(Entry::time)
        .isSortedAccordingTo(Comparator.naturalOrder());
  }

  @Test
  void manyLinesAllArriveInOrder() {
    TestContainer container = sharedPod().container().shell("exec seq 20000").start();

    assertThat(container.awaitOutput(20_000))
        .containsExactlyElementsOf(
            IntStream.rangeClosed(1, 20_000).mapToObj(Integer::toString).toList());
  }

  @Test
  void emptyLinesAndSpacesAreKept() {
    TestContainer container =
        sharedPod().container().shell("printf 'a\\n\\n  b  \\n\\tc\\t\\n'").start();

    assertThat(container.awaitOutput(4)).containsExactly("a", "", "  b  ", "\tc\t");
  }

  @Test
  void aLongLineIsOneLineInParts() {
    // longer than any runtime's buffer, so that it comes in parts
    TestContainer container =
        sharedPod()
            .container()
            .shell("head -c 100000 /dev/zero | tr '\\0' x; echo; echo next")
            .start();

    assertThat(container.awaitOutput(2)).containsExactly("x".repeat(100_000), "next");
    assertThat(container.log().entries()).anyMatch(entry -> !entry.whole());
  }

  @Test
  void aLastLineWithoutItsEndIsNotLost() {
    TestContainer container = sharedPod().container().shell("echo first; printf last").start();

    assertThat(container.awaitOutput(2)).containsExactly("first", "last");
  }

  @Test
  void outputIsInTheFileWhileTheContainerRuns() {
    TestContainer container =
        sharedPod().container().shell("echo early; exec sleep 1000000").start();

    assertThat(container.awaitLine()).isEqualTo("early");
  }

  @Test
  void lettersOfAllLanguagesAreKept() {
    TestContainer container = sharedPod().container().shell("echo 'grüße, мир, 世界, 🚢'").start();

    assertThat(container.awaitLine()).isEqualTo("grüße, мир, 世界, 🚢");
  }

  @Test
  void whatIsWrittenToTheStreamsByTheirPathsIsLoggedToo() {
    TestContainer container =
        sharedPod()
            .container()
            .shell(
                "echo by path > /dev/stdout; echo error by path > /dev/stderr; echo by number > /proc/self/fd/1")
            .start();

    awaitEntries(container, 3);
    assertThat(container.log().lines("stdout")).containsExactly("by path", "by number");
    assertThat(container.log().lines("stderr")).containsExactly("error by path");
  }

  @Test
  void aUserWhoIsNotRootCanWriteToTheStreamsByTheirPathsToo() {
    TestContainer container =
        sharedPod().container().user(4000).shell("echo by path > /dev/stdout").start();

    assertThat(container.awaitLine()).isEqualTo("by path");
  }

  @Test
  void theLogStaysWhenTheContainerIsRemoved() {
    TestContainer container = sharedPod().container().shell("echo kept").runToItsEnd();
    container.awaitLine();

    container.remove();

    assertThat(container.log().lines("stdout")).containsExactly("kept");
  }

  @Test
  void theLogIsWholeWhenTheContainerHasEndedAndWasRemovedAtOnce() {
    TestContainer container = sharedPod().container().shell("exec seq 5000").runToItsEnd();

    container.remove();

    assertThat(container.log().lines("stdout")).hasSize(5000).endsWith("5000");
  }

  @Test
  void oneContainersLogIsNotAnothers() {
    TestContainer one = sharedPod().container().shell("echo one").start();
    TestContainer other = sharedPod().container().shell("echo other").start();

    assertThat(one.awaitLine()).isEqualTo("one");
    assertThat(other.awaitLine()).isEqualTo("other");
  }

  @Test
  void aContainerWithoutALogFileRunsAllTheSame() throws IOException {
    TestPod pod = pods().run();

    TestContainer container =
        pod.container()
            .shell("echo nobody reads this")
            .with(config -> config.clearLogPath())
            .runToItsEnd();

    assertThat(container.status().getExitCode()).isZero();
    assertThat(container.status().getLogPath()).isEmpty();
    Path folder = Path.of(pod.config().getLogDirectory());
    if (Files.exists(folder)) {
      try (Stream<Path> files = Files.list(folder)) {
        assertThat(files).isEmpty();
      }
    }
  }
}
