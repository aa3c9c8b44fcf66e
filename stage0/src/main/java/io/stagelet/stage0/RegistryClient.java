package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;

/** Reaches repositories: finds the first of their endpoints that has what is asked for. */
final class RegistryClient implements AutoCloseable {
  /** A manifest, and the repository that had it. */
  record Found(RemoteRepository repository, RemoteRepository.Manifest manifest) {}

  private final RegistryTransport transport;
  private final RegistryAuthorization authorization;
  private final RegistrySettings settings;
  private final RegistryEndpoints endpoints;
  private final Clock clock;

  RegistryClient(RegistrySettings settings, RegistryEndpoints endpoints, Clock clock) {
    this.transport = new RegistryTransport(settings);
    this.authorization = new RegistryAuthorization(transport, clock);
    this.settings = settings;
    this.endpoints = endpoints;
    this.clock = clock;
  }

  /**
   * The manifest of {@code reference}.
   *
   * @throws StageletException what the last endpoint said, with the others' words
   */
  Found find(ImageReference reference, Credentials credentials) throws InterruptedException {
    List<StageletException> failures = new ArrayList<>();
    for (RegistryEndpoint endpoint : endpoints.of(reference)) {
      RemoteRepository repository =
          new RemoteRepository(transport, authorization, settings, endpoint, credentials, clock);
      try {
        return new Found(repository, repository.manifest(reference.inRegistry()));
      } catch (StageletException failure) {
        failures.add(failure);
      }
    }
    if (failures.isEmpty()) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "no registry is configured that could have %s".formatted(reference));
    }
    StageletException last = failures.removeLast();
    if (failures.isEmpty()) {
      throw last;
    }
    String before = String.join("; ", failures.stream().map(StageletException::reason).toList());
    StageletException all =
        new StageletException(
            last.code(), "%s; before that: %s".formatted(last.getMessage(), before), last);
    failures.forEach(all::addSuppressed);
    throw all;
  }

  @Override
  public void close() {
    transport.close();
  }
}
