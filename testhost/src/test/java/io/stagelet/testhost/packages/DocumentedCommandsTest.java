package io.stagelet.testhost.packages;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Who runs the commands in the documents that {@link PackageIT} does not take from them. */
class DocumentedCommandsTest {
  private static final Path PROJECT = Path.of("").toAbsolutePath().getParent();
  private static final String PACKAGE_IT =
      "testhost/src/test/java/io/stagelet/testhost/packages/PackageIT.java";
  private static final String KUBELET =
      "testhost/src/test/java/io/stagelet/testhost/kubelet/KubeletAcceptance.java";

  /** How a command begins; the file that runs it, and its words there. */
  private static final Map<String, Map.Entry<String, String>> RUN_BY =
      Map.ofEntries(
          Map.entry("./verify", Map.entry(".ci/run", "./verify ")),
          Map.entry("./demo", Map.entry(".ci/run", "./demo")),
          Map.entry("./mvnw", Map.entry("testhost/build.sh", "./mvnw")),
          Map.entry("dist/package", Map.entry(PACKAGE_IT, "%s/dist/package")),
          Map.entry("apt-get install", Map.entry(PACKAGE_IT, "install\"")),
          Map.entry("apt-get remove stagelet", Map.entry(PACKAGE_IT, "-y remove stagelet")),
          Map.entry(
              "STAGELET_PURGE_STORE=yes apt-get purge stagelet",
              Map.entry(PACKAGE_IT, "STAGELET_PURGE_STORE=yes apt-get -y purge stagelet")),
          Map.entry("tar -xf stagelet-", Map.entry(PACKAGE_IT, "tar -xf")),
          Map.entry("dnf install", Map.entry("testhost/inside", "rpm --install")),
          Map.entry("kubelet --", Map.entry(KUBELET, "--config=")),
          Map.entry("mkdir -p /etc/kubernetes/manifests", Map.entry(KUBELET, "MANIFESTS")),
          Map.entry("cat > /etc/kubernetes/kubelet.yaml", Map.entry(KUBELET, "cat > ")),
          Map.entry("testhost/critest", Map.entry("testhost/critest", "critest")),
          Map.entry("testhost/bench", Map.entry("testhost/bench", "bench")));

  /** Of other programs than ours, in a cluster that no test has. */
  private static final List<String> NOBODYS =
      List.of("kubeadm ", "kubectl describe ", "systemctl stop kubelet");

  /** With an id in them that nobody can know beforehand; {@code PodJournalIT} finds entries so. */
  private static final List<String> BY_AN_ID =
      List.of("journalctl POD_ID=", "journalctl CRI_CALL_ID=");

  @Test
  void everyCommandIsRunBySomebody() throws IOException {
    List<String> others = DocumentedCommands.others(PROJECT);

    assertThat(others).hasSizeGreaterThan(10);
    for (String command : others) {
      if (NOBODYS.stream().noneMatch(command::startsWith)
          && BY_AN_ID.stream().noneMatch(command::startsWith)) {
        assertThat(RUN_BY.keySet()).as(command).anyMatch(command::startsWith);
      }
    }
    for (var one : RUN_BY.entrySet()) {
      assertThat(others).as("is in no document").anyMatch(line -> line.startsWith(one.getKey()));
      assertThat(Files.readString(PROJECT.resolve(one.getValue().getKey())))
          .as(one.getKey())
          .contains(one.getValue().getValue());
    }
  }
}
