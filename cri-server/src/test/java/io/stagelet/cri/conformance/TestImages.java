package io.stagelet.cri.conformance;

import io.stagelet.cri.conformance.TarLayer.Owner;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import java.util.stream.Stream;

/**
 * The images of the suites, built here from Debian's busybox-static and pushed to the registry when
 * first asked for. None is downloaded.
 */
final class TestImages {
  /** The group that image users below are also in. */
  static final int EXTRA_GROUP = 3456;

  private static final String PASSWD =
      """
      root:x:0:0:root:/root:/bin/sh
      nobody:x:65534:65534:nobody:/:/bin/false
      app:x:1234:2345:app:/home/app:/bin/sh
      """;
  private static final String GROUP =
      """
      root:x:0:
      app:x:2345:
      extra:x:%d:app
      nogroup:x:65534:
      """
          .formatted(EXTRA_GROUP);

  private final TestRegistry registry;
  private final byte[] base;
  private final ConcurrentHashMap<String, PushedImage> pushed = new ConcurrentHashMap<>();

  /**
   * @param busybox a statically linked busybox with its applets built in
   */
  TestImages(TestRegistry registry, Path busybox) {
    this.registry = registry;
    try {
      base = base(Files.readAllBytes(busybox));
    } catch (IOException failure) {
      throw new UncheckedIOException(
          "could not read %s; is busybox-static installed?".formatted(busybox), failure);
    }
  }

  private static byte[] base(byte[] busybox) {
    TarLayer layer = new TarLayer();
    for (String folder :
        List.of("bin", "dev", "etc", "home", "proc", "root", "sys", "var", "var/log")) {
      layer.folder(folder, 0755);
    }
    layer.folder("tmp", 01777);
    layer.folder("home/app", new Owner(1234, 2345, 0755));
    layer.file("etc/passwd", PASSWD);
    layer.file("etc/group", GROUP);
    layer.file("bin/busybox", new Owner(0, 0, 0755), busybox);
    for (String applet :
        List.of(
            "cat",
            "chmod",
            "cut",
            "date",
            "dd",
            "echo",
            "env",
            "false",
            "grep",
            "head",
            "hostname",
            "httpd",
            "id",
            "ip",
            "kill",
            "ln",
            "ls",
            "mkdir",
            "mount",
            "nc",
            "printf",
            "ps",
            "pwd",
            "readlink",
            "rm",
            "seq",
            "setsid",
            "sh",
            "sleep",
            "sort",
            "stat",
            "tail",
            "test",
            "touch",
            "tr",
            "true",
            "uname",
            "wc",
            "wget",
            "yes")) {
      layer.symlink("bin/" + applet, "busybox");
    }
    return layer.bytes();
  }

  /** A shell and what it calls; runs the shell when nothing else is said. */
  PushedImage busybox() {
    return once("busybox", () -> named("busybox").command("sh").push());
  }

  /** Sleeps: for runtimes whose sandboxes want a process. */
  PushedImage pause() {
    return once("pause", () -> named("pause").entrypoint("/bin/sleep", "2147483647").push());
  }

  /** Echoes "from-image-entrypoint" and what it is given, "from-image-command" by default. */
  PushedImage echo() {
    return once(
        "echo",
        () ->
            named("echo")
                .entrypoint("/bin/echo", "from-image-entrypoint")
                .command("from-image-command")
                .push());
  }

  /** Has the environment COLOR=blue and SHAPE=round, and the working folder /home/app. */
  PushedImage furnished() {
    return once(
        "furnished",
        () ->
            named("furnished")
                .environment("PATH=/bin", "COLOR=blue", "SHAPE=round")
                .workingFolder("/home/app")
                .command("sh")
                .push());
  }

  /** Is to run as a user of its /etc/passwd: uid 1234, gid 2345, and in group 3456. */
  PushedImage namedUser() {
    return once("named-user", () -> named("named-user").user("app").command("sh").push());
  }

  /** Is to run as uid 1010 and gid 2020, which its /etc/passwd does not know. */
  PushedImage numericUser() {
    return once("numeric-user", () -> named("numeric-user").user("1010:2020").command("sh").push());
  }

  /** Wants SIGUSR1 to stop. */
  PushedImage stopSignal() {
    return once(
        "stop-signal", () -> named("stop-signal").stopSignal("SIGUSR1").command("sh").push());
  }

  /**
   * Three layers: {@code /data/kept} and {@code /data/hidden} with the second hidden again, {@code
   * /full} with all of the lower layer hidden, a hard link, a symbolic link, a set-uid file and one
   * of uid 1234.
   */
  PushedImage layered() {
    return once(
        "layered",
        () ->
            named("layered")
                .layer(
                    new TarLayer()
                        .folder("data", 0755)
                        .file("data/kept", "kept")
                        .file("data/hidden", "hidden")
                        .file("data/replaced", "old")
                        .folder("full", 0755)
                        .file("full/lower", "lower")
                        .file("data/owned", new Owner(1234, 2345, 0640), new byte[] {'x'})
                        .file("data/setuid", new Owner(0, 0, 04755), new byte[] {'x'}))
                .layer(
                    new TarLayer()
                        .folder("data", 0750)
                        .whiteout("data", "hidden")
                        .file("data/replaced", "new")
                        .hardLink("data/hardlink", "data/replaced")
                        .symlink("data/symlink", "kept")
                        .folder("full", 0755)
                        .opaque("full")
                        .file("full/upper", "upper"))
                .command("sh")
                .push());
  }

  /**
   * Boots: a systemd is its init. It has an {@code /etc} alone; this machine's {@code /usr}, in
   * which all the programs are, is to be mounted in it.
   */
  PushedImage bootable() {
    return once(
        "bootable",
        () ->
            new ImageBuilder(registry, "conformance/bootable")
                .layer(bootableLayer())
                .environment("PATH=/usr/bin:/usr/sbin")
                .entrypoint("/usr/lib/systemd/systemd")
                .stopSignal("SIGRTMIN+3")
                .push());
  }

  private static TarLayer bootableLayer() {
    TarLayer layer = new TarLayer();
    for (String folder :
        List.of("dev", "etc", "etc/pam.d", "proc", "root", "run", "sys", "usr", "var", "var/log")) {
      layer.folder(folder, 0755);
    }
    layer.folder("tmp", 01777).folder("var/log/journal", 0755);
    for (String link : List.of("bin", "sbin", "lib", "lib64")) {
      layer.symlink(link, "usr/" + link);
    }
    // said to be there, and to be made up from what the machine is told
    layer.file("etc/machine-id", "");
    layer.file(
        "etc/passwd",
        """
        root::0:0:root:/root:/bin/sh
        messagebus:x:100:102::/nonexistent:/usr/sbin/nologin
        """);
    layer.file(
        "etc/group",
        """
        root:x:0:
        tty:x:5:
        messagebus:x:102:
        """);
    try (Stream<Path> files = Files.list(Path.of("/etc/pam.d"))) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        layer.file("etc/pam.d/" + file.getFileName(), Files.readString(file));
      }
    } catch (IOException failure) {
      throw new UncheckedIOException("could not read /etc/pam.d", failure);
    }
    return layer;
  }

  /** An image that nobody has pulled: its content is new, and so is its name. */
  ImageBuilder unique() {
    String mark = UUID.randomUUID().toString();
    return named("unique-" + mark).layer(new TarLayer().file("mark", mark)).command("sh");
  }

  /** The same, in another registry. */
  ImageBuilder uniqueIn(TestRegistry other) {
    String mark = UUID.randomUUID().toString();
    return new ImageBuilder(other, "conformance/unique-" + mark)
        .layer(base)
        .layer(new TarLayer().file("mark", mark))
        .command("sh");
  }

  /** The registry that all of them are in. */
  TestRegistry registry() {
    return registry;
  }

  private PushedImage once(String name, Supplier<PushedImage> push) {
    return pushed.computeIfAbsent(name, key -> push.get());
  }

  private ImageBuilder named(String name) {
    return new ImageBuilder(registry, "conformance/" + name).layer(base);
  }

  static byte[] gzip(byte[] bytes) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try (java.util.zip.GZIPOutputStream gzip = new java.util.zip.GZIPOutputStream(out)) {
      gzip.write(bytes);
    } catch (IOException impossible) {
      throw new UncheckedIOException("writing to memory", impossible);
    }
    return out.toByteArray();
  }
}
