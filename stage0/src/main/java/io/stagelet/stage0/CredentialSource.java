package io.stagelet.stage0;

/** Knows this machine's credentials for registries. */
@FunctionalInterface
public interface CredentialSource {
  /**
   * The credentials for a repository.
   *
   * @param name registry and repository, as a reference has them
   */
  Credentials of(String name);

  /** Knows none. */
  static CredentialSource none() {
    return name -> Credentials.none();
  }
}
