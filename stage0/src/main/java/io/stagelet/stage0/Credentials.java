package io.stagelet.stage0;

/** How this machine's user proves to a registry who they are. None of them prints its secret. */
public sealed interface Credentials {
  /** Nobody in particular. */
  record None() implements Credentials {}

  /** A name and a password. */
  record Basic(String user, String password) implements Credentials {
    @Override
    public String toString() {
      return "password of " + user;
    }
  }

  /** A token that the registry's token service changes into short-lived ones (OAuth 2 refresh). */
  record IdentityToken(String token) implements Credentials {
    @Override
    public String toString() {
      return "identity token";
    }
  }

  /** A token that is sent to the registry as it is. */
  record RegistryToken(String token) implements Credentials {
    @Override
    public String toString() {
      return "registry token";
    }
  }

  /** Nobody in particular. */
  static Credentials none() {
    return new None();
  }
}
