package io.stagelet.cri.conformance;

import io.stagelet.linux.Command;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The pod network of the tests: a bridge with addresses given out by host-local, and host ports.
 * Nothing is masqueraded, as some test machines have no NAT and no test leaves the node.
 */
final class TestNetwork {
  /** Where Debian has the plugins. */
  static final Path PLUGINS = Path.of("/usr/lib/cni");

  /** The node's own address in the network. */
  static final String GATEWAY = "10.222.0.1";

  private static final String CONFIGURATION =
      """
      {
        "cniVersion": "1.0.0",
        "name": "conformance",
        "plugins": [
          {
            "type": "bridge",
            "bridge": "cni-conformance",
            "isGateway": true,
            "hairpinMode": true,
            "ipam": {
              "type": "host-local",
              "ranges": [[{"subnet": "10.222.0.0/16", "gateway": "10.222.0.1"}]],
              "routes": [{"dst": "0.0.0.0/0"}]
            }
          },
          {"type": "portmap", "capabilities": {"portMappings": true}}
        ]
      }
      """;

  private TestNetwork() {}

  /**
   * Whether the node can lead its ports to pods. A kernel may list the table and yet take no rule.
   */
  static boolean hasTranslation() {
    if (iptables("-A").exitCode() != 0) {
      return false;
    }
    var _ = iptables("-D");
    return true;
  }

  private static Command.Outcome iptables(String verb) {
    return Command.of(
            "iptables",
            "-w",
            "-t",
            "nat",
            verb,
            "POSTROUTING",
            "-s",
            "240.0.0.1",
            "-j",
            "MASQUERADE")
        .run();
  }

  /** Writes the configuration into a folder; answers the file. */
  static Path writeTo(Path folder) {
    try {
      Path aside = Files.writeString(folder.resolve(".conformance"), CONFIGURATION);
      return Files.move(aside, folder.resolve("10-conformance.conflist"));
    } catch (IOException failure) {
      throw new UncheckedIOException("could not write the test network into " + folder, failure);
    }
  }
}
