package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.net.URI;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Reaches repositories: finds the first of their endpoints that has what is asked for. An endpoint
 * that did not answer is asked last for a while.
 */
final class RegistryClient {
  /** A manifest, and where it and what it names can be got. */
  record Found(MirroredRepository repository, RemoteRepository.Manifest manifest) {}

  private static final Duration SHUNNED = Duration.ofSeconds(60);

  private final RegistryTransport transport;
  private final RegistryAuthorization authorization;
  private final RegistrySettings settings;
  private final Registries registries;
  private final Clock clock;
  private final Transfers transfers;
  private final Map<URI, Instant> silent = new ConcurrentHashMap<>();

  RegistryClient(RegistrySettings settings, Registries registries, Clock clock) {
    this(settings, registries, clock, new PullCounters());
  }

  RegistryClient(
      RegistrySettings settings, Registries registries, Clock clock, PullCounters counters) {
    this.transport =
        new RegistryTransport(settings, registries.certificates(), registries.proxies());
    this.authorization = new RegistryAuthorization(transport, clock);
    this.settings = settings;
    this.registries = registries;
    this.clock = clock;
    this.transfers = Transfers.of(settings, counters);
  }

  /**
   * The manifest of {@code reference}.
   *
   * @param credentials for the registry that the reference names; this machine's own where there
   *     are none, and for mirrors
   * @throws StageletException what the last endpoint said, with the others' words
   */
  Found find(ImageReference reference, Credentials credentials) throws InterruptedException {
    List<RemoteRepository> places = places(reference, credentials);
    List<StageletException> failures = new ArrayList<>();
    for (int i = 0; i < places.size(); i++) {
      RemoteRepository repository = places.get(i);
      try {
        RemoteRepository.Manifest manifest = repository.manifest(reference.inRegistry());
        silent.remove(repository.endpoint().base());
        return new Found(
            new MirroredRepository(reference.name(), places.subList(i, places.size()), transfers),
            manifest);
      } catch (StageletException failure) {
        if (failure.code() == ErrorCode.UNAVAILABLE) {
          silent.put(repository.endpoint().base(), clock.instant().plus(SHUNNED));
        }
        failures.add(failure);
      }
    }
    throw MirroredRepository.all(failures, reference.toString());
  }

  /** In the order they are tried. */
  private List<RemoteRepository> places(ImageReference reference, Credentials credentials) {
    Instant now = clock.instant();
    return registries.endpoints().of(reference).stream()
        .sorted(
            Comparator.comparing(endpoint ->
                endpoint.mirror()
                    && silent.getOrDefault(endpoint.base(), Instant.MIN).isAfter(now)))
        .map(endpoint ->
            new RemoteRepository(
                transport,
                authorization,
                settings,
                endpoint,
                credentials(endpoint, reference, credentials),
                clock))
        .toList();
  }

  /** A pull secret is for the registry that the image's name has, and for nobody else. */
  private Credentials credentials(
      RegistryEndpoint endpoint, ImageReference reference, Credentials given) {
    boolean meant = endpoint.host().equals(reference.domain());
    return given instanceof Credentials.None || !meant
        ? registries.credentials().of(endpoint.name())
        : given;
  }

  /**
   * Checks that an image's signatures are those that are demanded.
   *
   * @param manifests the digests of its manifest and the indexes it is in
   * @throws StageletException {@code PERMISSION_DENIED}, with the word {@code
   *     SignatureValidationFailed}, when they are not
   */
  void check(ImageReference reference, Set<Digest> manifests, MirroredRepository repository)
      throws InterruptedException {
    registries.signatures().check(reference, manifests, repository, transport, clock);
  }
}
