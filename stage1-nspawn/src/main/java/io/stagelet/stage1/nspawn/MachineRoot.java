package io.stagelet.stage1.nspawn;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ExecPlan;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.TreeSet;

/**
 * The root of a pod's machine: the host's {@code /usr}, and an {@code /etc} that makes its systemd
 * start nothing.
 */
final class MachineRoot {
  private static final List<String> DIRECTORIES =
      List.of(
          "usr", "etc/systemd/system", "proc", "sys", "dev", "run", "tmp", "var", "root", "pod");
  private static final List<String> LINKS = List.of("bin", "sbin", "lib", "lib64");

  /** What the host's /usr has systemd start on demand, or would wait for. */
  private static final List<String> MASKED =
      List.of(
          "systemd-journald.service",
          "systemd-journald.socket",
          "systemd-journald-dev-log.socket",
          "systemd-journald-audit.socket",
          "systemd-tmpfiles-setup.service",
          "systemd-logind.service");

  private static final List<String> BUS = List.of("dbus.service", "dbus.socket");

  /** {@code dev-mqueue.mount} shows the message queues of the pod's IPC namespace. */
  private static final String TARGET =
      """
      [Unit]
      Description=Pod
      DefaultDependencies=no
      Wants=dev-mqueue.mount manager.socket
      """;

  private static final String TARGET_WITH_BUS = TARGET + "Wants=dbus.socket\n";

  /** Whoever comes first starts the daemon; then the machine's systemd comes to it by itself. */
  private static final String BUS_SOCKET =
      """
      [Unit]
      Description=This machine's bus
      DefaultDependencies=no

      [Socket]
      ListenStream=/run/dbus/system_bus_socket
      """;

  private static final String BUS_SERVICE =
      """
      [Unit]
      Description=This machine's bus
      DefaultDependencies=no
      Requires=dbus.socket

      [Service]
      Type=notify
      NotifyAccess=main
      ExecStart=%s --config-file=/etc/dbus-1/stage1.conf --nofork --nopidfile --systemd-activation
      """
          .formatted(NspawnStage1Provider.BUS_DAEMON);

  /** The machine's root may do all, and nobody else anything: containers do not see the socket. */
  private static final String BUS_POLICY =
      """
      <busconfig>
        <type>system</type>
        <listen>systemd:</listen>
        <auth>EXTERNAL</auth>
        <standard_system_servicedirs/>
        <policy context="default">
          <allow user="root"/>
        </policy>
        <policy user="root">
          <allow own="*"/>
          <allow send_destination="*"/>
          <allow receive_sender="*"/>
        </policy>
      </busconfig>
      """;

  /** Where the machine's systemd is reached from the host, below the machine's root. */
  static final String SYSTEMD = "run/stagelet/systemd";

  /**
   * Its private socket takes no connection of a process that it cannot see, as those of the host
   * are: one in the machine passes it on.
   */
  private static final String MANAGER_SOCKET =
      """
      [Unit]
      Description=This machine's systemd, for the host
      DefaultDependencies=no

      [Socket]
      ListenStream=/%s
      SocketMode=0600
      DirectoryMode=0700
      """
          .formatted(SYSTEMD);

  private static final String MANAGER_SERVICE =
      """
      [Unit]
      Description=This machine's systemd, for the host
      DefaultDependencies=no
      Requires=manager.socket

      [Service]
      ExecStart=/usr/lib/systemd/systemd-socket-proxyd /run/systemd/private
      """;

  private static final Path MASK = Path.of("/dev/null");

  private MachineRoot() {}

  /**
   * Writes it.
   *
   * @param bus whether there is a D-Bus daemon in it, for {@code systemctl -M}
   */
  static void write(Machine machine, boolean bus) {
    Path root = machine.root();
    try {
      for (String directory : DIRECTORIES) {
        Files.createDirectories(root.resolve(directory));
      }
      for (String link : LINKS) {
        if (Files.exists(Path.of("/usr", link))) {
          link(root.resolve(link), Path.of("usr", link));
        }
      }
      // where the bus of a machine is looked for
      link(root.resolve("var/run"), Path.of("../run"));
      Path etc = root.resolve("etc");
      for (String unit : MASKED) {
        link(etc.resolve("systemd/system").resolve(unit), MASK);
      }
      writeBus(etc, bus);
      Files.writeString(etc.resolve("systemd/system/manager.socket"), MANAGER_SOCKET);
      Files.writeString(etc.resolve("systemd/system/manager.service"), MANAGER_SERVICE);
      Files.writeString(etc.resolve("machine-id"), machine.machineId() + "\n");
      Files.writeString(etc.resolve("os-release"), "ID=stage1\nNAME=\"Stagelet stage1\"\n");
      Files.writeString(
          etc.resolve("hostname"),
          machine.sandbox().hostname().orElseGet(MachineRoot::hostname) + "\n");
      Files.writeString(etc.resolve("passwd"), "root:x:0:0:root:/root:/bin/sh\n");
      Files.writeString(etc.resolve("group"), "root:x:0:\n");
    } catch (IOException failure) {
      throw notWritten(root, failure);
    }
  }

  private static void writeBus(Path etc, boolean bus) throws IOException {
    Path units = etc.resolve("systemd/system");
    Files.writeString(units.resolve("stage1.target"), bus ? TARGET_WITH_BUS : TARGET);
    if (bus) {
      Files.createDirectories(etc.resolve("dbus-1"));
      Files.writeString(etc.resolve("dbus-1/stage1.conf"), BUS_POLICY);
      Files.writeString(units.resolve("dbus.socket"), BUS_SOCKET);
      Files.writeString(units.resolve("dbus.service"), BUS_SERVICE);
    } else {
      for (String unit : BUS) {
        link(units.resolve(unit), MASK);
      }
    }
  }

  /**
   * systemd takes users and groups by number only when the machine's databases have them; what they
   * are called there does not matter.
   */
  static void addUsers(Machine machine, ExecPlan.User user) {
    Path etc = machine.root().resolve("etc");
    TreeSet<Long> groups = new TreeSet<>(user.additionalGroups());
    groups.add(user.gid());
    try {
      add(
          etc.resolve("passwd"),
          ":x:%d:".formatted(user.uid()),
          "u%1$d:x:%1$d:%2$d::/:/bin/sh".formatted(user.uid(), user.gid()));
      for (long group : groups) {
        add(etc.resolve("group"), ":x:%d:".formatted(group), "g%1$d:x:%1$d:".formatted(group));
      }
    } catch (IOException failure) {
      throw notWritten(etc, failure);
    }
  }

  /** Replaced as a whole: a service may be reading it. */
  private static void add(Path file, String mark, String line) throws IOException {
    String text = Files.readString(file);
    if (text.lines().noneMatch(known -> known.contains(mark))) {
      Path aside = file.resolveSibling(file.getFileName() + ".new");
      Files.writeString(aside, text + line + "\n");
      Files.move(aside, file, StandardCopyOption.ATOMIC_MOVE);
    }
  }

  private static void link(Path link, Path target) throws IOException {
    Files.deleteIfExists(link);
    Files.createSymbolicLink(link, target);
  }

  private static String hostname() {
    try {
      return Files.readString(Path.of("/proc/sys/kernel/hostname")).strip();
    } catch (IOException failure) {
      throw notWritten(Path.of("/etc/hostname"), failure);
    }
  }

  private static StageletException notWritten(Path where, IOException failure) {
    return new StageletException(
        ErrorCode.INTERNAL,
        "could not write the machine's root %s: %s"
            .formatted(where, StageletException.reason(failure)),
        failure);
  }
}
