package io.stagelet.cri.configuration;

import static io.stagelet.cri.configuration.Effect.RELOAD;
import static io.stagelet.cri.configuration.Effect.RESTART;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Every key there is. {@code stagelet config default}, {@code docs/configure.md}, the manual page
 * {@code stagelet.toml(5)} and the check of files are all made from this one table: a new key is
 * written down here, and read in {@code ConfigurationReader}.
 */
public final class ConfigurationKeys {
  private static final ValueType LEVEL =
      new ValueType.Choice(List.of("error", "warn", "info", "debug", "trace"));

  private static final ValueType PORT = new ValueType.Whole(0, 65_535, "");

  /** Tables that many keys are in, and what they are about. */
  private static final Map<String, String> TABLES = new LinkedHashMap<>();

  private static final List<ConfigurationKey> KEYS = new ArrayList<>();

  static {
    table("", "");
    key(
        "socket",
        ValueType.PATH,
        "\"/run/stagelet/stagelet.sock\"",
        RESTART,
        "Where the CRI is served: kubelet's --container-runtime-endpoint, with unix:// before it. A"
            + " socket that systemd hands over (stagelet.socket) comes first.");
    key(
        "root",
        ValueType.PATH,
        "\"/var/lib/stagelet\"",
        RESTART,
        "What must outlive a reboot: images, records, writable layers. A local filesystem that"
            + " overlayfs can be on (ext4, XFS, btrfs).");
    key(
        "run",
        ValueType.PATH,
        "\"/run/stagelet\"",
        RESTART,
        "What must not outlive a reboot: mounts, namespaces, FIFOs. On a tmpfs.");
    key(
        "default-handler",
        ValueType.TEXT,
        "\"crun\"",
        RELOAD,
        "The handler of pods that ask for none. One that is new here needs a restart.");

    table("cni", "The network of pods.");
    key(
        "cni.conf-dir",
        ValueType.PATH,
        "\"/etc/cni/net.d\"",
        RELOAD,
        "Where the network's configuration is. The first file by name is taken, and it is read anew"
            + " for each pod.");
    key(
        "cni.bin-dirs",
        ValueType.PATHS,
        "[\"/opt/cni/bin\", \"/usr/lib/cni\", \"/usr/libexec/cni\"]",
        RELOAD,
        "Where the network's plugins are; the first directory that has one wins.");

    table(
        "registries",
        "Everything else about registries is in /etc/containers/registries.conf, policy.json and"
            + " auth.json, as Podman reads them, and is read at each pull.");
    key(
        "registries.insecure",
        ValueType.TEXTS,
        "[]",
        RELOAD,
        "Registries, as host or host:port, that may speak plain HTTP or show any certificate.");

    table("images", "Images.");
    key(
        "images.pinned",
        ValueType.TEXTS,
        "[]",
        RELOAD,
        "Names of images that kubelet must not collect; * stands for anything but a slash, and at"
            + " the end for all that follows.");
    key(
        "images.parallel-layers",
        new ValueType.Whole(1, 64, ""),
        "4",
        RESTART,
        "How many layers of one image are fetched at a time.");
    key(
        "images.parallel-ranges",
        new ValueType.Whole(1, 16, ""),
        "3",
        RESTART,
        "Over how many connections one large layer comes when the registry is what takes the time;"
            + " 1 for one always. Each keeps 4 MiB in memory.");

    table("streaming", "Where exec, attach and port-forward are served.");
    key(
        "streaming.address",
        ValueType.TEXT,
        "\"127.0.0.1\"",
        RESTART,
        "The address; kubelet must reach it.");
    key("streaming.port", PORT, "0", RESTART, "The port; 0 takes any that is free.");
    key(
        "streaming.idle-timeout",
        new ValueType.Whole(1, Integer.MAX_VALUE, "seconds"),
        "14400",
        RESTART,
        "How long a session may be silent.");
    key(
        "streaming.tls-cert",
        ValueType.PATH,
        "",
        RESTART,
        "With tls-key: the certificate (PEM) with which it is served by HTTPS.");
    key("streaming.tls-key", ValueType.PATH, "", RESTART, "Its key (PKCS #8, no password).");
    key(
        "streaming.tls-client-ca",
        ValueType.PATH,
        "",
        RESTART,
        "The authority (PEM) of which clients must have a certificate.");

    table(
        "handlers.NAME",
        "A handler: a way to run pods, by the name that a RuntimeClass or the annotation"
            + " stagelet.io/stage1 picks. Without any such table there are crun and runc; with one,"
            + " only those that are written down.");
    key(
        "handlers.NAME.stage1",
        ValueType.TEXT,
        "",
        RESTART,
        "What runs the pods: \"oci\" (an OCI runtime). Must be there.");
    key(
        "handlers.NAME.annotation",
        ValueType.FLAG,
        "false",
        RELOAD,
        "Whether a pod may pick this handler by the annotation stagelet.io/stage1.");
    key(
        "handlers.NAME.output",
        new ValueType.Choice(List.of("block", "drop")),
        "\"block\"",
        RESTART,
        "What happens while the journal or the disk takes no output: the container waits, or lines"
            + " are dropped, counted and told.");
    key(
        "handlers.NAME.runtime",
        ValueType.TEXT,
        "",
        RESTART,
        "Of the stage1 oci: the OCI runtime, a path or a name that is looked up in /usr/local/sbin,"
            + " /usr/local/bin, /usr/sbin and /usr/bin (without it: the handler's name).");
    key(
        "handlers.NAME.arguments",
        ValueType.TEXT,
        "",
        RESTART,
        "Of the stage1 oci: what the runtime is always told before the command; words, with spaces"
            + " between them.");
    key(
        "handlers.NAME.cni-conf-dir",
        ValueType.PATH,
        "",
        RESTART,
        "Where the network of its pods is configured; without it where cni.conf-dir says.");
    key(
        "handlers.NAME.OPTION",
        ValueType.TEXT_OR_FLAG,
        "",
        RESTART,
        "Every other key is the stage1's own. The stage1 oci knows init: the program that is the"
            + " first process of pods that share their PID namespace (without it: catatonit); the"
            + " stage1 nspawn knows boot: image, where an image's own init is to be the machine's"
            + " (without it: stage1), and bus: true, where a pod's machine is to have a bus, for"
            + " systemctl -M.");

    table("resources", "What containers may use.");
    key(
        "resources.blockio-config",
        ValueType.PATH,
        "\"/etc/stagelet/blockio.yaml\"",
        RELOAD,
        "Where classes of block I/O are described, as in the file that CRI-O and containerd call"
            + " blockio_config_file. It is read for each container that asks for one.");

    table("output", "What containers write.");
    key(
        "output.labels",
        ValueType.TEXTS,
        "[]",
        RELOAD,
        "Labels of pods that become fields of journal entries: app becomes K8S_LABEL_APP.");
    key(
        "output.journal-namespace",
        ValueType.TEXT,
        "",
        RESTART,
        "A journal of their own for containers (journalctl --namespace=NAME); without it the"
            + " system's.");

    table("metrics", "What Prometheus is told; docs/metrics.md has the names.");
    key(
        "metrics.address",
        ValueType.TEXT,
        "",
        RESTART,
        "A loopback address and port, such as 127.0.0.1:9441, on which /metrics and /healthz are"
            + " served; without it they are on the control socket alone.");

    table("traces", "Spans of calls and their stages, for OpenTelemetry.");
    key(
        "traces.endpoint",
        ValueType.TEXT,
        "",
        RESTART,
        "A collector that takes OTLP over HTTP, such as http://127.0.0.1:4318; without it nothing"
            + " is recorded.");
    key(
        "traces.sampling-rate-per-million",
        new ValueType.Whole(0, 1_000_000, ""),
        "",
        RESTART,
        "How many calls of a million are recorded (without it: all). A call whose caller records"
            + " it, as kubelet can, is recorded as well, and one whose caller does not is not.");

    table("log", "What Stagelet says itself, in the journal.");
    key("log.level", LEVEL, "\"info\"", RELOAD, "How much it says.");
    key(
        "log.levels.LOGGER",
        LEVEL,
        "",
        RELOAD,
        "How much one part says: a class, or a package around it, such as \"io.stagelet.units\".");
  }

  private ConfigurationKeys() {}

  private static void table(String name, String description) {
    TABLES.put(name, description);
  }

  private static void key(
      String name, ValueType type, String standard, Effect effect, String description) {
    KEYS.add(new ConfigurationKey(name, type, standard, effect, description));
  }

  /** All, each table's together. */
  public static List<ConfigurationKey> all() {
    return List.copyOf(KEYS);
  }

  /** What a table is about; empty when there is nothing to say. */
  static String about(String table) {
    return TABLES.getOrDefault(table, "");
  }

  /** When a changed value of a path is taken up. */
  public static Effect effect(List<String> path) {
    return of(path).map(ConfigurationKey::effect).orElse(RESTART);
  }

  /** The key of a path in a file; one without capitals in its name comes first. */
  public static Optional<ConfigurationKey> of(List<String> path) {
    return KEYS.stream().filter(key -> key.matches(path)).findFirst();
  }

  /** Whether a path in a file is of a table. */
  static boolean isTable(List<String> path) {
    return KEYS.stream().anyMatch(key -> key.isBelow(path));
  }

  /** The names that may stand in a table, for whoever wrote one that may not. */
  static List<String> namesIn(List<String> table) {
    return KEYS.stream()
        .filter(key -> key.isBelow(table))
        .map(key -> key.parts().get(table.size()))
        .distinct()
        .sorted()
        .toList();
  }
}
