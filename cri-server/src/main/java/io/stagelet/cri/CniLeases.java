package io.stagelet.cri;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/**
 * The addresses that the plugin {@code host-local} has given out: a file for each in {@code
 * DATA-DIR/NETWORK}, named by the address, whose first line is the sandbox's id. Other plugins keep
 * theirs where only they know.
 */
final class CniLeases {
  private static final Logger LOG = LoggerFactory.getLogger(CniLeases.class);
  private static final String HOST_LOCAL = "host-local";
  private static final String DATA_DIRECTORY = "/var/lib/cni/networks";

  private CniLeases() {}

  /**
   * An address that is taken.
   *
   * @param sandbox for whom
   * @param networkNow the configuration by which it can be given back
   */
  record Lease(
      String network, String address, String sandbox, Path file, CniConfiguration networkNow) {}

  /** All leases of some networks. */
  static List<Lease> of(Collection<CniConfiguration> networks) {
    List<Lease> leases = new ArrayList<>();
    for (CniConfiguration network : networks) {
      for (ObjectNode plugin : network.plugins()) {
        if (plugin.path("ipam").path("type").asText().equals(HOST_LOCAL)) {
          String data = plugin.path("ipam").path("dataDir").asText("");
          collect(
              network,
              Path.of(data.isEmpty() ? DATA_DIRECTORY : data).resolve(network.name()),
              leases);
        }
      }
    }
    return leases;
  }

  private static void collect(CniConfiguration network, Path directory, List<Lease> leases) {
    if (!Files.isDirectory(directory)) {
      return;
    }
    try (Stream<Path> files = Files.list(directory)) {
      for (Path file : files.sorted().toList()) {
        String name = file.getFileName().toString();
        if (name.matches("[0-9a-fA-F.:_]+")) {
          List<String> lines = Files.readAllLines(file);
          if (!lines.isEmpty()) {
            leases.add(new Lease(network.name(), name, lines.getFirst().strip(), file, network));
          }
        }
      }
    } catch (IOException failure) {
      StoryEvent.RECOVERY_FAILED
          .on(LOG, Level.WARN)
          .log(
              "the leases of addresses in {} cannot be read: {}",
              directory,
              StageletException.reason(failure));
    }
  }
}
