package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.cri.v1.ContainerStatus;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What runs in a container, and as whom: the container's configuration over the image's. */
@AlsoOnNspawn
class ContainerProcessIT extends ConformanceSuite {
  private static final String WHO = "id -u; id -g; id -G";

  ContainerProcessIT(NodeUnderTest node) {
    super(node);
  }

  @Test
  void withoutACommandTheImagesEntrypointRunsWithTheImagesCommand() {
    assertThat(sharedPod().container(images().echo()).start().awaitLine())
        .isEqualTo("from-image-entrypoint from-image-command");
  }

  @Test
  void argumentsReplaceTheImagesCommand() {
    assertThat(sharedPod().container(images().echo()).arguments("a", "b c").start().awaitLine())
        .isEqualTo("from-image-entrypoint a b c");
  }

  @Test
  void aCommandReplacesTheImagesEntrypointAndDropsItsCommand() {
    assertThat(
            sharedPod().container(images().echo()).command("/bin/echo", "own").start().awaitLine())
        .isEqualTo("own");
  }

  @Test
  void aCommandWithArgumentsReplacesBoth() {
    assertThat(
            sharedPod()
                .container(images().echo())
                .command("/bin/echo", "own")
                .arguments("argument")
                .start()
                .awaitLine())
        .isEqualTo("own argument");
  }

  @Test
  void aCommandWithoutASlashIsLookedUpInThePathOfTheContainer() {
    assertThat(
            sharedPod()
                .container(images().furnished())
                .command("echo", "found")
                .start()
                .awaitLine())
        .isEqualTo("found");
  }

  @Test
  void wordsArriveAsTheyAre() {
    assertThat(
            sharedPod()
                .container()
                .command(
                    "/bin/printf", "%s|", "", "a b", "$HOME", "'\"\\", "%H%n", "${x}", "ü", ";")
                .start()
                .awaitLine())
        .isEqualTo("|a b|$HOME|'\"\\|%H%n|${x}|ü|;|");
  }

  @Test
  void theEnvironmentIsTheImagesWithTheContainersOverIt() {
    List<String> environment =
        sharedPod()
            .container(images().furnished())
            .command("env")
            .environment("COLOR", "red")
            .environment("SIZE", "two words")
            .runToItsEnd()
            .awaitOutput(4);

    assertThat(environment)
        .contains("COLOR=red", "SHAPE=round", "SIZE=two words", "PATH=/bin")
        .doesNotContain("COLOR=blue");
  }

  @Test
  void valuesOfTheEnvironmentArriveAsTheyAre() {
    String value = "a=b \"c\" 'd' $e %f \\g ${h} ü";

    assertThat(
            sharedPod()
                .container()
                .shell("printf '%s\\n' \"$VALUE\"")
                .environment("VALUE", value)
                .start()
                .awaitLine())
        .isEqualTo(value);
  }

  @Test
  void nothingOfTheNodesOwnEnvironmentIsSeen() {
    List<String> environment =
        sharedPod().container().command("/bin/env").runToItsEnd().log().lines("stdout");

    assertThat(environment)
        .allMatch(
            line -> line.matches("(PATH|HOME|HOSTNAME|TERM)=.*"),
            "a name that a container is given");
  }

  @Test
  void theWorkingFolderIsTheImagesUnlessTheContainerHasOne() {
    assertThat(sharedPod().container(images().furnished()).shell("pwd").start().awaitLine())
        .isEqualTo("/home/app");
    assertThat(
            sharedPod()
                .container(images().furnished())
                .shell("pwd")
                .workingFolder("/var/log")
                .start()
                .awaitLine())
        .isEqualTo("/var/log");
    assertThat(sharedPod().container().shell("pwd").start().awaitLine()).isEqualTo("/");
  }

  @Test
  void aWorkingFolderThatIsNotInTheImageIsMade() {
    assertThat(
            sharedPod()
                .container()
                .shell("pwd")
                .workingFolder("/srv/made/here")
                .start()
                .awaitLine())
        .isEqualTo("/srv/made/here");
  }

  @Test
  void withoutAUserItIsRoot() {
    assertThat(sharedPod().container().shell("id -u; id -g").start().awaitOutput(2))
        .containsExactly("0", "0");
  }

  @Test
  void theImagesUserIsLookedUpInTheImageWithAllItsGroups() {
    List<String> who =
        sharedPod().container(images().namedUser()).shell(WHO).start().awaitOutput(3);

    assertThat(who).startsWith("1234", "2345");
    assertThat(who.get(2).split(" "))
        .containsExactlyInAnyOrder("2345", Integer.toString(TestImages.EXTRA_GROUP));
  }

  @Test
  void theImagesUserMayBeNumbersThatTheImageDoesNotKnow() {
    assertThat(sharedPod().container(images().numericUser()).shell(WHO).start().awaitOutput(3))
        .startsWith("1010", "2020");
  }

  @Test
  void theContainersUserWinsOverTheImages() {
    assertThat(
            sharedPod()
                .container(images().namedUser())
                .shell(WHO)
                .user(4000)
                .group(5000)
                .start()
                .awaitOutput(3))
        .startsWith("4000", "5000");
  }

  @Test
  void aUserWithoutAGroupHasTheGroupThatTheImageGivesIt() {
    assertThat(sharedPod().container().shell("id -u; id -g").user(1234).start().awaitOutput(2))
        .containsExactly("1234", "2345");
    assertThat(sharedPod().container().shell("id -u; id -g").user(4000).start().awaitOutput(2))
        .containsExactly("4000", "0");
  }

  @Test
  void theContainersUserMayBeAName() {
    ContainerBuilder container = sharedPod().container().shell("id -u; id -g");
    container.securityContext().setRunAsUsername("app");

    assertThat(container.start().awaitOutput(2)).containsExactly("1234", "2345");
  }

  @Test
  void supplementalGroupsAreAddedToTheImagesOwn() {
    ContainerBuilder container = sharedPod().container().shell("id -G").user(1234);
    container.securityContext().addSupplementalGroups(7000).addSupplementalGroups(7001);

    assertThat(container.start().awaitLine().split(" "))
        .contains("2345", "7000", "7001", Integer.toString(TestImages.EXTRA_GROUP));
  }

  @Test
  void aGroupWithoutAUserIsRefused() {
    refusal(() -> sharedPod().container().idle().group(5000).create());
  }

  @Test
  void itsFirstProcessHasNumberOneAndSeesOnlyItsOwn() {
    assertThat(
            sharedPod()
                .container()
                .shell("echo $$; ls -d /proc/[0-9]* | wc -l")
                .start()
                .awaitOutput(2))
        .satisfies(lines -> {
          assertThat(lines.getFirst()).isEqualTo("1");
          assertThat(Integer.parseInt(lines.get(1).strip())).isLessThan(5);
        });
  }

  @Test
  void itsStandardInputIsEmpty() {
    ContainerStatus status =
        sharedPod().container().shell("cat > /dev/null; exit 5").start().awaitEnd();

    assertThat(status.getExitCode()).isEqualTo(5);
  }

  @Test
  void itHasTheUsualDevicesAndNoneOfTheNodes() {
    TestContainer container = sharedPod().idleContainer();

    assertThat(container.execText("ls", "/dev").lines())
        .contains(
            "null", "zero", "full", "random", "urandom", "tty", "stdin", "stdout", "stderr", "fd",
            "pts", "shm")
        .doesNotContain("kmsg", "mem", "sda", "vda", "ubda");
    assertThat(container.exec("sh", "-c", "echo x > /dev/full").getExitCode()).isNotZero();
  }

  @Test
  void kernelSettingsAreReadOnly() {
    assertThat(
            sharedPod()
                .idleContainer()
                .exec("sh", "-c", "echo 1 > /proc/sys/kernel/panic")
                .getExitCode())
        .isNotZero();
  }

  @Test
  void aContainerThatMustNotGainPrivilegesIsToldSo() {
    ContainerBuilder container = sharedPod().container().shell("grep NoNewPrivs /proc/self/status");
    container.securityContext().setNoNewPrivs(true);

    assertThat(container.start().awaitLine()).matches("NoNewPrivs:\\s+1");
  }

  @Test
  void capabilitiesAreAddedAndDropped() {
    ContainerBuilder dropped = sharedPod().container().shell("hostname other");
    dropped.securityContext().getCapabilitiesBuilder().addDropCapabilities("ALL");
    ContainerBuilder added = sharedPod().container().shell("grep CapEff /proc/self/status");
    added
        .securityContext()
        .getCapabilitiesBuilder()
        .addDropCapabilities("ALL")
        .addAddCapabilities("NET_ADMIN");

    assertThat(dropped.start().awaitEnd().getExitCode()).isNotZero();
    // CAP_NET_ADMIN is bit 12
    assertThat(added.start().awaitLine()).matches("CapEff:\\s+0000000000001000");
  }
}
