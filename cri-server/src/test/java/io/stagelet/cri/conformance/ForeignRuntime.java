package io.stagelet.cri.conformance;

import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * A runtime that somebody else has started, named by {@code -Dcri.endpoint}. It is given a network
 * configuration where it has none, and the image {@code pause} for those runtimes that want one.
 */
final class ForeignRuntime implements RuntimeUnderTest {
  private static final String SCHEME = "unix://";
  private static final Path NETWORKS = Path.of("/etc/cni/net.d");

  private final Path socket;
  private final Optional<Path> networkMade;

  private ForeignRuntime(Path socket, Optional<Path> networkMade) {
    this.socket = socket;
    this.networkMade = networkMade;
  }

  /**
   * Waits until the runtime answers and its network is ready.
   *
   * @param endpoint as kubelet's {@code --container-runtime-endpoint}: {@code unix:///run/…}
   */
  static ForeignRuntime at(String endpoint, TestImages images) {
    if (!endpoint.startsWith(SCHEME + "/")) {
      throw new IllegalArgumentException(
          "cri.endpoint is \"%s\"; it must be unix:// and an absolute path".formatted(endpoint));
    }
    images.pause();
    ForeignRuntime runtime =
        new ForeignRuntime(Path.of(endpoint.substring(SCHEME.length())), networkWhereThereIsNone());
    try (CriClient cri = new CriClient(runtime.socket)) {
      await("the runtime's network")
          .atMost(Duration.ofSeconds(30))
          .ignoreExceptions()
          .until(() ->
              cri.status(false).getStatus().getConditionsList().stream()
                  .allMatch(condition -> condition.getStatus()));
    }
    return runtime;
  }

  private static Optional<Path> networkWhereThereIsNone() {
    try {
      Files.createDirectories(NETWORKS);
      try (Stream<Path> present = Files.list(NETWORKS)) {
        if (present.findAny().isPresent()) {
          return Optional.empty();
        }
      }
      return Optional.of(TestNetwork.writeTo(NETWORKS));
    } catch (IOException failure) {
      throw new UncheckedIOException("could not give the runtime a network", failure);
    }
  }

  @Override
  public Path socket() {
    return socket;
  }

  @Override
  public List<Handler> handlers() {
    return List.of(new Handler(""));
  }

  /** Where another runtime keeps its things is not known here, but that leases are CNI's is. */
  @Override
  public Leftovers leftovers() {
    return Leftovers.onTheNode(List.of());
  }

  @Override
  public void close() {
    networkMade.ifPresent(file -> {
      try {
        Files.delete(file);
      } catch (IOException failure) {
        throw new UncheckedIOException("could not take the network back", failure);
      }
    });
  }
}
