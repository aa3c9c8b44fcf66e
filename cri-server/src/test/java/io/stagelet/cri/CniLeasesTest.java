package io.stagelet.cri;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.linux.LockFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Leases as host-local keeps them: a file for each address, beside its lock. */
class CniLeasesTest {
  @TempDir private Path folder;
  private Path leases;
  private List<CniConfiguration> networks;

  @BeforeEach
  void aNetworkWithALease() throws IOException {
    Path configuration = Files.createDirectory(folder.resolve("net.d"));
    Files.writeString(
        configuration.resolve("10-net.conflist"),
        """
        {"cniVersion": "1.0.0", "name": "net", "plugins": [
          {"type": "bridge", "ipam": {"type": "host-local", "dataDir": "%s"}}]}
        """
            .formatted(folder));
    networks = List.of(CniConfiguration.load(configuration));
    leases = Files.createDirectory(folder.resolve("net"));
    Files.writeString(leases.resolve("10.0.0.2"), "abc\r\neth0");
    Files.writeString(leases.resolve("last_reserved_ip.0"), "10.0.0.2");
    Files.createFile(leases.resolve("lock"));
  }

  @Test
  void aLeaseTellsForWhomItIs() {
    assertThat(CniLeases.of(networks))
        .singleElement()
        .satisfies(lease -> {
          assertThat(lease.address()).isEqualTo("10.0.0.2");
          assertThat(lease.sandbox()).isEqualTo("abc");
        });
    assertThat(CniLeases.cutOff(networks)).isEmpty();
  }

  @Test
  void oneThatWasNotWrittenIsCutOffAndCanBeFreed() throws IOException {
    Path empty = Files.createFile(leases.resolve("10.0.0.3"));

    List<CniLeases.CutOff> found = CniLeases.cutOff(networks);

    assertThat(found).extracting(CniLeases.CutOff::file).containsExactly(empty);
    assertThat(CniLeases.of(networks)).hasSize(1);
    found.getFirst().free();
    assertThat(empty).doesNotExist();
    assertThat(leases.resolve("10.0.0.2")).exists();
  }

  @Test
  void oneThatAPluginIsWritingNowIsItsOwn() throws Exception {
    Path made = Files.createFile(leases.resolve("10.0.0.4"));
    CompletableFuture<List<CniLeases.CutOff>> found;
    try (LockFile plugins = LockFile.open(leases.resolve("lock"));
        LockFile.Held _ = plugins.exclusive()) {
      found = CompletableFuture.supplyAsync(() -> CniLeases.cutOff(networks));
      Files.writeString(made, "def\r\neth0");
    }

    assertThat(found.get(30, TimeUnit.SECONDS)).isEmpty();
  }

  @Test
  void oneThatWasWrittenMeanwhileIsNotFreed() throws IOException {
    Path lease = Files.createFile(leases.resolve("10.0.0.5"));
    CniLeases.CutOff found = CniLeases.cutOff(networks).getFirst();
    Files.writeString(lease, "def\r\neth0");

    found.free();

    assertThat(lease).exists();
  }
}
