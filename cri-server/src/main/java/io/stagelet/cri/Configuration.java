package io.stagelet.cri;

import io.stagelet.cri.streaming.StreamingSettings;
import io.stagelet.journal.JournalNamespace;
import io.stagelet.journal.LogLevels;
import io.stagelet.journal.OutputPolicy;
import io.stagelet.stage0.RegistrySettings;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Path;
import java.util.HashMap;
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
 * @param blockIo where the classes of block I/O are described; the file need not be there
 * @param pulls how many transfers of one image go on at a time
 * @param output what the journal is told with the output of containers, and which journal
 * @param log how much stagelet itself says
 * @param metricsAddress where Prometheus is told; absent for nowhere but the control socket
 * @param traces where spans are sent; absent for nowhere
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
    Path blockIo,
    Pulls pulls,
    Output output,
    LogLevels log,
    StreamingSettings streaming,
    Optional<InetSocketAddress> metricsAddress,
    Optional<Tracing> traces) {
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
   * How images are pulled.
   *
   * @param parallelLayers how many layers of one image at a time
   * @param parallelRanges over how many connections one large layer of a slow registry
   */
  record Pulls(int parallelLayers, int parallelRanges) {
    static Pulls defaults() {
      RegistrySettings settings = RegistrySettings.defaults();
      return new Pulls(settings.parallelLayers(), settings.parallelRanges());
    }
  }

  /**
   * Spans of calls and stages.
   *
   * @param endpoint a collector's address
   * @param perMillion how many calls of a million, where the caller says nothing
   */
  record Tracing(URI endpoint, int perMillion) {
    static final int ALL = 1_000_000;
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

  /** This, with all of another that needs no restart. */
  Configuration reloaded(Configuration next) {
    Map<String, Handler> nextHandlers = new HashMap<>(handlers);
    nextHandlers.replaceAll((name, handler) -> {
      Handler changed = next.handlers.get(name);
      return changed == null
          ? handler
          : new Handler(
              handler.stage1, changed.annotation, handler.options, handler.output, handler.network);
    });
    return new Configuration(
        socket,
        root,
        runDirectory,
        next.cniConfigurationDirectory,
        next.cniBinaryDirectories,
        handlers.containsKey(next.defaultHandler) ? next.defaultHandler : defaultHandler,
        nextHandlers,
        next.insecureRegistries,
        next.pinnedImages,
        next.blockIo,
        pulls,
        new Output(next.output.labels, output.journalNamespace),
        next.log,
        streaming,
        metricsAddress,
        traces);
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
        Path.of("/etc/stagelet/blockio.yaml"),
        Pulls.defaults(),
        new Output(List.of(), Optional.empty()),
        LogLevels.defaults(),
        StreamingSettings.defaults(),
        Optional.empty(),
        Optional.empty());
  }
}
