package io.stagelet.cri;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** With files that stand for disks: {@code sda} has the number 8:0, {@code sdb} 8:1. */
class BlockIoClassesTest {
  private static final String POD = "blockio.resources.beta.kubernetes.io/pod";
  private static final String CONTAINER = "blockio.resources.beta.kubernetes.io/container.";

  @TempDir private Path folder;
  private Path file;
  private BlockIoClasses classes;

  @BeforeEach
  void disks() throws IOException {
    file = folder.resolve("blockio.yaml");
    for (String disk : new String[] {"sda", "sdb", "tty"}) {
      Files.writeString(folder.resolve(disk), "");
    }
    Files.createDirectory(folder.resolve("by-id"));
    Files.createSymbolicLink(folder.resolve("by-id/ata-SSD-1"), folder.resolve("sdb"));
    classes = new BlockIoClasses(file, BlockIoClassesTest::number);
  }

  private static Optional<String> number(Path path) {
    try {
      String name = path.toRealPath().getFileName().toString();
      return name.startsWith("sd") ? Optional.of("8:" + (name.charAt(2) - 'a')) : Optional.empty();
    } catch (IOException gone) {
      return Optional.empty();
    }
  }

  private void describe(String text) throws IOException {
    Files.writeString(file, text.replace("DISKS", folder.toString()));
  }

  private Map<String, String> files(String name) {
    return classes.files("main", Map.of(), Map.of(POD, name));
  }

  @Test
  void aClassIsWeightsAndLimitsOfDisks() throws IOException {
    describe(
        """
        Classes:
          slow:
          - Weight: 80
          - Devices:
            - DISKS/sd[a-z]
            - DISKS/tty
            ThrottleReadBps: 50M
            ThrottleWriteBps: 10Mi
            ThrottleReadIOPS: 10k
            ThrottleWriteIOPS: 5e2
            Weight: 50
          - Devices:
            - DISKS/by-id/*SSD*
            ThrottleReadBps: 1.5G
            ThrottleWriteBps: 0
          fast:
          - weight: 400
        """);

    assertThat(files("slow"))
        .isEqualTo(
            Map.of(
                "io.weight", "default 80\n8:0 50\n8:1 50",
                "io.max",
                    """
                    8:0 rbps=50000000 wbps=10485760 riops=10000 wiops=500
                    8:1 rbps=1500000000 wbps=max riops=10000 wiops=500\
                    """));
    assertThat(files("fast")).isEqualTo(Map.of("io.weight", "default 3400"));
  }

  /** systemd makes 10 to 1000 of 10 to 10,000 for the scheduler that weighs. */
  @ParameterizedTest
  @CsvSource({"10, 10", "100, 100", "101, 111", "1000, 10000"})
  void weightsAreThoseOfTheSchedulerOnTheScaleOfSystemd(int weight, int property)
      throws IOException {
    describe("Classes: {x: [{Weight: %d}]}".formatted(weight));

    assertThat(files("x")).isEqualTo(Map.of("io.weight", "default " + property));
  }

  @Test
  void theNarrowestAnnotationCounts() throws IOException {
    describe("Classes: {a: [{Weight: 11}], b: [{Weight: 12}], c: [{Weight: 13}]}");
    Map<String, String> ofPod = Map.of(POD, "a", CONTAINER + "main", "b");

    assertThat(classes.files("main", Map.of("io.kubernetes.cri.blockio-class", "c"), ofPod))
        .containsEntry("io.weight", "default 13");
    assertThat(classes.files("main", Map.of(), ofPod)).containsEntry("io.weight", "default 12");
    assertThat(classes.files("other", Map.of(), ofPod)).containsEntry("io.weight", "default 11");
    assertThat(classes.files("main", Map.of(), Map.of(CONTAINER + "main", "", POD, "a"))).isEmpty();
  }

  @Test
  void whoAsksForNoClassNeedsNoFile() {
    assertThat(classes.files("main", Map.of("x", "y"), Map.of("z", "w"))).isEmpty();
  }

  @Test
  void aClassThatIsNotThereIsToldWithThoseThatAre() throws IOException {
    refused("x", POD, file + " is not there");

    describe("Classes: {b: [], a: []}");
    assertThat(files("a")).isEmpty();
    refused("x", "container main", "'x'", POD, "[a, b]");

    describe("");
    refused("x", "table");
    describe("Classes: {");
    refused("x", file.toString(), "cannot be read");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "Weight: 9",
        "Weight: 1001",
        "Weight: much",
        "Weight: -1",
        "Speed: 3",
        "ThrottleReadBps: 5M",
        "{Devices: [sda], Weight: 20}",
        "{Devices: ['/dev/sd['], Weight: 20}",
        "{Devices: [DISKS/sda], ThrottleReadBps: 5X}",
        "text"
      })
  void aDescriptionThatCannotBeIsRefusedByItsClass(String description) throws IOException {
    describe("Classes:\n  x:\n  - " + description);

    refused("x", file.toString());
  }

  private void refused(String name, String... words) {
    assertThatThrownBy(() -> files(name))
        .isInstanceOfSatisfying(
            StageletException.class,
            refusal -> assertThat(refusal.code()).isEqualTo(ErrorCode.INVALID_ARGUMENT))
        .hasMessageContainingAll(words);
  }

  @Test
  void whatIsNoDiskIsLeftOut() throws IOException {
    describe("Classes: {x: [{Devices: [/dev/null, /nowhere/at/all], Weight: 20}]}");

    assertThat(BlockIoClasses.in(file).files("main", Map.of(), Map.of(POD, "x"))).isEmpty();
  }
}
