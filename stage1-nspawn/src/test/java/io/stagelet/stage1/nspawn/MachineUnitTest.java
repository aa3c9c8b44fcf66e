package io.stagelet.stage1.nspawn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.IdMapping;
import io.stagelet.linux.IdMappings;
import io.stagelet.stage0.spi.ContainerId;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.ExecPlan;
import io.stagelet.stage0.spi.SandboxId;
import io.stagelet.stage0.spi.SandboxPlan;
import io.stagelet.units.TransientUnit;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What systemd-nspawn is told: for a pod's machine, and for one that an image boots. */
class MachineUnitTest {
  private static final IdMapping RANGE = new IdMapping(0, 1_000_000, 65_536);

  @TempDir private Path folder;

  private SandboxPlan pod(Optional<IdMappings> ids, boolean hostIpc) {
    return new SandboxPlan(
        new SandboxId("a".repeat(64)),
        "default",
        "web",
        "pod.slice",
        folder,
        Optional.of("web-host"),
        Optional.of(folder.resolve("net")),
        hostIpc,
        false,
        Map.of(),
        1,
        ids,
        Optional.empty());
  }

  private static String said(TransientUnit unit) {
    return unit.properties().toString();
  }

  private ContainerPlan container(int stopSignal, long uid, List<ContainerPlan.Mount> mounts)
      throws IOException {
    Files.createDirectories(folder.resolve("rootfs"));
    return new ContainerPlan(
        new ContainerId("b".repeat(64)),
        "main",
        pod(Optional.empty(), false),
        folder,
        folder.resolve("rootfs"),
        new ExecPlan(
            List.of("/sbin/init"),
            List.of("COLOR=red"),
            "/",
            new ExecPlan.User(uid, 0, List.of()),
            false,
            false),
        mounts,
        List.of(),
        new ContainerPlan.Security(
            false,
            false,
            List.of("CAP_NET_ADMIN"),
            List.of(),
            List.of(),
            List.of(),
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            Optional.empty()),
        ContainerPlan.Resources.NONE,
        folder.resolve("stdout"),
        folder.resolve("stderr"),
        Optional.empty(),
        stopSignal,
        Duration.ofSeconds(1),
        new ContainerPlan.Pids(ContainerPlan.Pids.Sharing.OWN, Optional.empty()),
        List.of());
  }

  private ContainerPlan container(int stopSignal) throws IOException {
    return container(stopSignal, 0, List.of());
  }

  private String booted(ContainerPlan container) {
    return said(
        BootUnits.of(
            container,
            new EntryTools(folder.resolve("tools")),
            Optional.empty(),
            Optional.empty()));
  }

  @Test
  void aPodWithTheHostsUsersIsStartedInNamespacesThatAreThere() {
    String unit = said(MachineUnit.of(new Machine(pod(Optional.empty(), false))));

    assertThat(unit)
        .contains("/usr/bin/nsenter", "--network-namespace-path=" + folder.resolve("net"))
        .doesNotContain("--private-users", "--private-network");
  }

  @Test
  void aPodWithUsersOfItsOwnHasNamespacesThatSystemdNspawnMakes() {
    IdMappings ids = new IdMappings(List.of(RANGE), List.of(RANGE));

    String unit = said(MachineUnit.of(new Machine(pod(Optional.of(ids), false))));

    assertThat(unit)
        .contains(
            "--private-users=1000000:65536",
            "--private-users-ownership=map",
            "--private-network",
            "--hostname=web-host")
        .doesNotContain("nsenter", "--network-namespace-path", "SHARE_NS", "API_VFS_WRITABLE");
  }

  @Test
  void otherMappingsThanOneRangeForBothAreRefused() {
    IdMapping other = new IdMapping(0, 2_000_000, 65_536);
    IdMapping second = new IdMapping(65_536, 3_000_000, 10);
    for (IdMappings ids :
        List.of(
            new IdMappings(List.of(RANGE), List.of(other)),
            new IdMappings(List.of(RANGE, second), List.of(RANGE, second)),
            new IdMappings(
                List.of(new IdMapping(1, 1_000_000, 10)),
                List.of(new IdMapping(1, 1_000_000, 10))))) {
      Machine machine = new Machine(pod(Optional.of(ids), false));

      assertThatThrownBy(machine::users).hasMessageContaining("one range from 0 on");
    }
  }

  @Test
  void namespacesOfTheHostBesideAreRefused() {
    IdMappings ids = new IdMappings(List.of(RANGE), List.of(RANGE));
    Machine machine = new Machine(pod(Optional.of(ids), true));

    assertThatThrownBy(machine::users).hasMessageContaining("the host's network, IPC or UTS");
  }

  @Test
  void anImagesInitIsTheMachines() throws IOException {
    String unit = booted(container(15));

    assertThat(unit)
        .contains(
            "--directory=" + folder.resolve("rootfs"),
            "--uuid=" + "b".repeat(32),
            "--machine=web-main-" + "b".repeat(12),
            "--link-journal=try-guest",
            "--capability=CAP_NET_ADMIN",
            "--setenv=COLOR=red",
            "/sbin/init");
  }

  @Test
  void aMachineIsAskedToHaltUnlessItsImageSaysOtherwise() throws IOException {
    assertThat(BootUnits.stopSignal(container(15))).isEqualTo(37);
    assertThat(BootUnits.stopSignal(container(12))).isEqualTo(12);
    assertThat(booted(container(12))).contains("--kill-signal=12");
  }

  @Test
  void colonsInPathsAreNoSeparators() throws IOException {
    ContainerPlan.Mount mount =
        new ContainerPlan.Mount(
            Path.of("/srv/a:b"),
            "/data",
            true,
            false,
            ContainerPlan.Propagation.PRIVATE,
            false,
            List.of());

    assertThat(booted(container(15, 0, List.of(mount)))).contains("--bind-ro=/srv/a\\:b:/data");
  }

  @Test
  void anInitThatIsNotRootIsRefused() throws IOException {
    ContainerPlan container = container(15, 1000, List.of());

    assertThatThrownBy(() -> BootUnits.check(container)).hasMessageContaining("has to be root");
  }
}
