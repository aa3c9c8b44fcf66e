package io.stagelet.cri;

import io.stagelet.cri.streaming.StreamingSettings;
import io.stagelet.journal.JournalNamespace;
import io.stagelet.journal.LogLevels;
import io.stagelet.journal.OutputPolicy;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

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
 * @param insecureRegistries hosts that may speak plain HTTP
 * @param pinnedImages names of images that kubelet does not collect, with {@code *}
 * @param output what the journal is told with the output of containers, and which journal
 * @param log how much stagelet itself says
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
    List<String> pinnedImages,
    Output output,
    LogLevels log,
    StreamingSettings streaming) {
  Configuration {
    cniBinaryDirectories = List.copyOf(cniBinaryDirectories);
    handlers = Map.copyOf(handlers);
    insecureRegistries = List.copyOf(insecureRegistries);
    pinnedImages = List.copyOf(pinnedImages);
  }

  /**
   * A handler.
   *
   * @param stage1 which stage1 it is
   * @param annotation whether a pod may pick it by annotation
   * @param options its other keys, for the stage1
   * @param output what happens to its containers while the journal or the disk takes no output
   * @param network where its pods' network is configured; absent for where that of all others is
   */
  record Handler(
      String stage1,
      boolean annotation,
      Map<String, String> options,
      OutputPolicy output,
      Optional<Path> network) {
    Handler {
      options = Map.copyOf(options);
    }
  }

  /**
   * The output of containers.
   *
   * @param labels the pods' labels that become journal fields
   * @param journalNamespace the journal it goes to; absent for the system's own
   */
  record Output(List<String> labels, Optional<JournalNamespace> journalNamespace) {
    Output {
      labels = List.copyOf(labels);
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
            "crun", new Handler("oci", true, Map.of(), OutputPolicy.BLOCK, Optional.empty()),
            "runc", new Handler("oci", true, Map.of(), OutputPolicy.BLOCK, Optional.empty())),
        List.of(),
        List.of(),
        new Output(List.of(), Optional.empty()),
        LogLevels.defaults(),
        StreamingSettings.defaults());
  }
}
