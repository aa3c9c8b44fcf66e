package io.stagelet.cri;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.journal.StoryEvent;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.LockFile;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
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
 *
 * <p>The plugin makes the file and then writes it, with the directory's file {@code lock} locked.
 * One that is killed in between leaves an empty file, whose address no DEL of anybody frees.
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

  /**
   * An address that is taken for nobody: its plugin was killed before it wrote for whom.
   *
   * @param file the lease, which is empty
   */
  record CutOff(String network, String address, Path file) {
    /** Gives the address back. */
    void free() {
      try (LockFile lock = lock(file);
          LockFile.Held _ = lock.exclusive()) {
        if (isEmpty(file)) {
          Files.deleteIfExists(file);
        }
      } catch (IOException failure) {
        throw new StageletException(
            ErrorCode.INTERNAL,
            "the address %s of network %s cannot be freed: %s; remove the empty file %s"
                .formatted(address, network, StageletException.reason(failure), file),
            failure);
      }
    }
  }

  /** All leases of some networks. */
  static List<Lease> of(Collection<CniConfiguration> networks) {
    List<Lease> leases = new ArrayList<>();
    eachFile(
        networks,
        (network, file) -> {
          List<String> lines = Files.readAllLines(file, StandardCharsets.ISO_8859_1);
          if (!lines.isEmpty()) {
            leases.add(
                new Lease(network.name(), address(file), lines.getFirst().strip(), file, network));
          }
        });
    return leases;
  }

  /** Those of some networks that were cut off. */
  static List<CutOff> cutOff(Collection<CniConfiguration> networks) {
    List<CutOff> found = new ArrayList<>();
    eachFile(
        networks,
        (network, file) -> {
          if (!isEmpty(file)) {
            return;
          }
          // one that is being made is not, once its maker has let go
          try (LockFile lock = lock(file);
              LockFile.Held _ = lock.exclusive()) {
            if (isEmpty(file)) {
              found.add(new CutOff(network.name(), address(file), file));
            }
          }
        });
    return found;
  }

  private static boolean isEmpty(Path file) throws IOException {
    return Files.exists(file) && Files.size(file) == 0;
  }

  private static LockFile lock(Path file) {
    return LockFile.open(file.resolveSibling("lock"));
  }

  private static String address(Path file) {
    return file.getFileName().toString();
  }

  private interface Visitor {
    void visit(CniConfiguration network, Path file) throws IOException;
  }

  private static void eachFile(Collection<CniConfiguration> networks, Visitor visitor) {
    for (CniConfiguration network : networks) {
      for (ObjectNode plugin : network.plugins()) {
        if (plugin.path("ipam").path("type").asText().equals(HOST_LOCAL)) {
          String data = plugin.path("ipam").path("dataDir").asText("");
          eachFile(
              network,
              Path.of(data.isEmpty() ? DATA_DIRECTORY : data).resolve(network.name()),
              visitor);
        }
      }
    }
  }

  private static void eachFile(CniConfiguration network, Path directory, Visitor visitor) {
    if (!Files.isDirectory(directory)) {
      return;
    }
    try (Stream<Path> files = Files.list(directory)) {
      for (Path file : files.sorted().toList()) {
        if (address(file).matches("[0-9a-fA-F.:_]+")) {
          visitor.visit(network, file);
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
