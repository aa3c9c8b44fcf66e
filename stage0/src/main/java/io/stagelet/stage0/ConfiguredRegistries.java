package io.stagelet.stage0;

import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The registries and mirrors of {@code registries.conf} and its drop-ins. The files are read again
 * when one of them has changed, so that no restart is needed; while they are wrong, nothing is
 * pulled. Safe from any thread.
 */
public final class ConfiguredRegistries implements RegistryEndpoints {
  private record Loaded(String state, RegistriesConfiguration configuration) {}

  private static final Logger LOG = LoggerFactory.getLogger(ConfiguredRegistries.class);

  private final RegistryFiles files;
  private final CertificateDirectories certificates;
  private final Supplier<Set<String>> insecureHosts;
  private @Nullable Loaded loaded;

  /**
   * Registries of these files.
   *
   * @param insecureHosts {@code host} or {@code host:port} that are insecure, whatever the files
   *     say; asked for at each use
   */
  public ConfiguredRegistries(RegistryFiles files, Supplier<Set<String>> insecureHosts) {
    this.files = files;
    this.certificates = new CertificateDirectories(files.certificates());
    this.insecureHosts = insecureHosts;
  }

  @Override
  public List<RegistryEndpoint> of(ImageReference reference) {
    List<RegistryEndpoint> endpoints = new ArrayList<>();
    for (RegistriesConfiguration.Source source : configuration().sources(reference)) {
      String domain = source.name().substring(0, source.name().indexOf('/'));
      endpoints.addAll(
          RegistryEndpoints.at(
              source.name(),
              source.insecure() || RegistryEndpoints.isIn(insecureHosts.get(), domain),
              source.mirror(),
              certificates::has));
    }
    return endpoints;
  }

  @Override
  public List<ImageReference> candidates(String text) {
    return configuration().candidates(text);
  }

  /** Where credentials are looked for ({@code credential-helpers}). */
  List<String> credentialHelpers() {
    return configuration().credentialHelpers();
  }

  private RegistriesConfiguration configuration() {
    List<Path> all = RegistriesReader.files(files.registries(), files.registriesDropIns());
    String state = state(all);
    synchronized (this) {
      Loaded there = loaded;
      if (there != null && there.state().equals(state)) {
        return there.configuration();
      }
      RegistriesConfiguration configuration = RegistriesReader.read(all);
      LOG.debug("Read {}", all);
      loaded = new Loaded(state, configuration);
      return configuration;
    }
  }

  /** Differs when a file has come, gone or changed. */
  private static String state(List<Path> files) {
    StringBuilder state = new StringBuilder();
    for (Path file : files) {
      try {
        state
            .append(file)
            .append(' ')
            .append(Files.getLastModifiedTime(file))
            .append(' ')
            .append(Files.size(file))
            .append('\n');
      } catch (IOException absent) {
        state.append(file).append(' ').append(StageletException.reason(absent)).append('\n');
      }
    }
    return state.toString();
  }
}
