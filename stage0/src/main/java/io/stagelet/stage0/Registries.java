package io.stagelet.stage0;

import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;

/** All that this machine's administrator says about registries. */
public final class Registries {
  private final RegistryEndpoints endpoints;
  private final CredentialSource credentials;
  private final CertificateDirectories certificates;
  private final Proxies proxies;
  private final SignatureRules signatures;

  private Registries(
      RegistryEndpoints endpoints,
      CredentialSource credentials,
      CertificateDirectories certificates,
      Proxies proxies,
      SignatureRules signatures) {
    this.endpoints = endpoints;
    this.credentials = credentials;
    this.certificates = certificates;
    this.proxies = proxies;
    this.signatures = signatures;
  }

  /** Endpoints alone: no credentials, certificates, proxies and rules of signatures. */
  public static Registries of(RegistryEndpoints endpoints) {
    return new Registries(
        endpoints,
        CredentialSource.none(),
        new CertificateDirectories(List.of()),
        Proxies.none(),
        SignatureRules.none());
  }

  /**
   * What the files and the environment say. The files are read as they are at each use.
   *
   * @param insecureHosts {@code host} or {@code host:port} that are insecure whatever the files say
   * @param environment this process's, for proxies
   */
  public static Registries of(
      RegistryFiles files, Set<String> insecureHosts, Map<String, String> environment) {
    Set<String> always = Set.copyOf(insecureHosts);
    return of(files, () -> always, environment);
  }

  /** As above, with insecure hosts that may change: they are asked for at each use. */
  public static Registries of(
      RegistryFiles files, Supplier<Set<String>> insecureHosts, Map<String, String> environment) {
    ConfiguredRegistries configured = new ConfiguredRegistries(files, insecureHosts);
    return new Registries(
        configured,
        new CredentialFiles(files.credentials(), configured::credentialHelpers),
        new CertificateDirectories(files.certificates()),
        Proxies.of(environment),
        SignatureRules.of(files));
  }

  /** Where images are got. */
  RegistryEndpoints endpoints() {
    return endpoints;
  }

  /** Who this machine is there. */
  CredentialSource credentials() {
    return credentials;
  }

  /** Whom it trusts there. */
  CertificateDirectories certificates() {
    return certificates;
  }

  /** How they are reached. */
  Proxies proxies() {
    return proxies;
  }

  /** Whose signatures images must have. */
  SignatureRules signatures() {
    return signatures;
  }
}
