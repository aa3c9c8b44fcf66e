package io.stagelet.stage1.nspawn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerId;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.ExecPlan;
import io.stagelet.stage0.spi.SandboxId;
import io.stagelet.stage0.spi.SandboxPlan;
import io.stagelet.units.UnitProperty;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ContainerServiceTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final ContainerPlan.Pids OWN =
      new ContainerPlan.Pids(ContainerPlan.Pids.Sharing.OWN, Optional.empty());

  @TempDir private Path folder;

  @BeforeEach
  void makeTheRoot() throws IOException {
    Files.createDirectories(folder.resolve("rootfs"));
  }

  private SandboxPlan pod() {
    return new SandboxPlan(
        new SandboxId("a".repeat(64)),
        "default",
        "web",
        "pod.slice",
        folder,
        Optional.of("web"),
        Optional.of(folder.resolve("net")),
        false,
        false,
        Map.of(),
        1,
        Optional.empty(),
        Optional.empty());
  }

  private ContainerPlan container(
      long uid,
      List<String> environment,
      List<ContainerPlan.Mount> mounts,
      Optional<String> seccomp,
      ContainerPlan.Pids pids,
      List<ContainerPlan.Hook> hooks) {
    return new ContainerPlan(
        new ContainerId("b".repeat(64)),
        "main",
        pod(),
        folder,
        folder.resolve("rootfs"),
        new ExecPlan(
            List.of("server", "--port=80"),
            environment,
            "/srv",
            new ExecPlan.User(uid, 7, List.of()),
            false,
            true),
        mounts,
        List.of(),
        new ContainerPlan.Security(
            false,
            false,
            List.of("CAP_CHOWN"),
            List.of(),
            List.of(),
            List.of(),
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            seccomp),
        ContainerPlan.Resources.NONE,
        folder.resolve("stdout"),
        folder.resolve("stderr"),
        Optional.empty(),
        15,
        Duration.ofSeconds(1),
        pids,
        hooks);
  }

  private ContainerPlan plain(long uid, String... environment) {
    return container(uid, List.of(environment), List.of(), Optional.empty(), OWN, List.of());
  }

  private static List<UnitProperty> properties(ContainerPlan container) {
    return ContainerService.of(container, Optional.empty(), JSON).properties();
  }

  private static String command(ContainerPlan container) {
    return properties(container).stream()
        .filter(property -> property.name().startsWith("ExecStart"))
        .findFirst()
        .orElseThrow()
        .toString();
  }

  @Test
  void whatCanBeSaidToSystemdIsAProperty() {
    ContainerPlan container = plain(1000, "PATH=/usr/bin:bin:/bin", "A=b");

    assertThat(properties(container))
        .contains(
            new UnitProperty.Text("User", "1000"),
            new UnitProperty.Text("Group", "7"),
            new UnitProperty.Flag("NoNewPrivileges", true),
            new UnitProperty.Number64("CapabilityBoundingSet", 1),
            new UnitProperty.Text("PrivatePIDs", "yes"),
            new UnitProperty.Texts("ExecSearchPath", List.of("/usr/bin", "/bin")));
    assertThat(command(container)).contains("server", "--port=80").doesNotContain("setpriv");
  }

  @Test
  void whatCannotIsDoneByTheStepsOfAnEntry() {
    for (ContainerPlan container : List.of(plain(65535), plain(1000, "a.b=c"))) {
      assertThat(command(container)).contains("setpriv", "--reuid=", "--no-new-privs", "env");
      assertThat(properties(container))
          .extracting(UnitProperty::name)
          .doesNotContain("User", "CapabilityBoundingSet");
    }
  }

  @Test
  void anInexpressibleFilterIsLoadedAfterThePrivilegesAreGone() {
    ContainerPlan container =
        container(
            1000,
            List.of(),
            List.of(),
            Optional.of(
                """
                {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                  {"names": ["ptrace"], "action": "SCMP_ACT_TRAP"}]}
                """),
            OWN,
            List.of());

    assertThat(Entry.line(container, container.process()))
        .containsSubsequence("--no-new-privs", "--", EntryTools.FILTER.getFirst(), "server");
    assertThat(command(container)).contains(EntryTools.FILTER.getFirst());
  }

  @Test
  void whatAMachineCannotDoIsRefusedByItsName() {
    refused(
        container(
            0,
            List.of(),
            List.of(),
            Optional.empty(),
            new ContainerPlan.Pids(ContainerPlan.Pids.Sharing.HOST, Optional.empty()),
            List.of()),
        "PID namespace");
    refused(
        container(
            0,
            List.of(),
            List.of(mount(ContainerPlan.Propagation.BIDIRECTIONAL, List.of())),
            Optional.empty(),
            OWN,
            List.of()),
        "bidirectional");
    refused(
        container(
            0,
            List.of(),
            List.of(mount(ContainerPlan.Propagation.PRIVATE, List.of("sideways"))),
            Optional.empty(),
            OWN,
            List.of()),
        "sideways");
    refused(
        container(
            0,
            List.of(),
            List.of(),
            Optional.empty(),
            OWN,
            List.of(
                new ContainerPlan.Hook(
                    "createContainer",
                    Path.of("/usr/bin/hook"),
                    List.of(),
                    List.of(),
                    Optional.empty()))),
        "/usr/bin/hook");
  }

  private static void refused(ContainerPlan container, String words) {
    assertThatThrownBy(() -> ContainerService.check(container, JSON))
        .isInstanceOf(StageletException.class)
        .hasMessageContaining(words);
  }

  private ContainerPlan.Mount mount(ContainerPlan.Propagation propagation, List<String> options) {
    return new ContainerPlan.Mount(folder, "/data", false, false, propagation, false, options);
  }

  @Test
  void aProgramIsLookedForWhereTheContainerWould() throws IOException {
    Path root = folder.resolve("rootfs");
    Files.createDirectories(root.resolve("opt/bin/folder"));
    Path tool = Files.writeString(root.resolve("opt/bin/tool"), "");
    Files.setPosixFilePermissions(tool, PosixFilePermissions.fromString("rwxr-xr-x"));
    Files.writeString(root.resolve("opt/bin/text"), "");
    Map<String, String> path = Map.of("PATH", "/bin:/opt/bin");

    assertThat(ProgramSearch.failure(root, "tool", "/", path)).isEmpty();
    assertThat(ProgramSearch.failure(root, "bin/tool", "/opt", Map.of())).isEmpty();
    assertThat(ProgramSearch.failure(root, "/opt/bin/tool", "/", Map.of())).isEmpty();
    assertThat(ProgramSearch.failure(root, "other", "/", path))
        .hasValue("no such file or directory");
    assertThat(ProgramSearch.failure(root, "folder", "/", path)).hasValue("it is a directory");
    assertThat(ProgramSearch.failure(root, "text", "/", path))
        .hasValue("permission denied (it is not executable)");
  }
}
