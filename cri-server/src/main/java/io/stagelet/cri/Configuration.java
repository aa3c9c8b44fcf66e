package io.stagelet.cri;

import io.stagelet.cri.streaming.StreamingSettings;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * What the administrator says; {@link ConfigurationReader} has the keys.
 *
 * @param socket where the CRI is served
 * @param root what must outlive a reboot: images, records, writable layers
 * @param runDirectory what must not: mounts, namespaces, FIFOs; on a tmpfs
 * @param cniConfigurationDirectory where the network's configuration is
 * @param cniBinaryDirectories where its plugins are, the first found wins
 * @param streaming where exec, attach and port-forward are served
 * @param defaultHandler runs pods that ask for none
 */
record Configuration(
    Path socket,
    Path root,
    Path runDirectory,
    Path cniConfigurationDirectory,
    List<Path> cniBinaryDirectories,
    String defaultHandler,
    Map<String, Handler> handlers,
    List<String> insecureRegistries,
    StreamingSettings streaming) {
  Configuration {
    cniBinaryDirectories = List.copyOf(cniBinaryDirectories);
    handlers = Map.copyOf(handlers);
    insecureRegistries = List.copyOf(insecureRegistries);
  }

  /**
   * A handler.
   *
   * @param stage1 which stage1 it is
   * @param annotation whether a pod may pick it by annotation
   * @param options its other keys, for the stage1
   */
  record Handler(String stage1, boolean annotation, Map<String, String> options) {
    Handler {
      options = Map.copyOf(options);
    }
  }

  /** What holds without a configuration file. */
  static Configuration defaults() {
    return new Configuration(
        Path.of("/run/stagelet/stagelet.sock"),
        Path.of("/var/lib/stagelet"),
        Path.of("/run/stagelet"),
        Path.of("/etc/cni/net.d"),
        List.of(Path.of("/opt/cni/bin"), Path.of("/usr/lib/cni")),
        "crun",
        Map.of(
            "crun", new Handler("oci", true, Map.of()),
            "runc", new Handler("oci", true, Map.of())),
        List.of(),
        StreamingSettings.defaults());
  }
}
