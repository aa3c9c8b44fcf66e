package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;

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

  /**
   * User and password of {@code auth}: with a colon between them, in Base64.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} when it is something else
   */
  static Credentials basic(String auth) {
    String text;
    try {
      text = new String(Base64.getDecoder().decode(auth.strip()), StandardCharsets.UTF_8);
    } catch (IllegalArgumentException notBase64) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT, "an \"auth\" that is not Base64", notBase64);
    }
    int colon = text.indexOf(':');
    if (colon < 0) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT, "an \"auth\" that has no colon between user and password");
    }
    return new Basic(text.substring(0, colon), text.substring(colon + 1).replaceAll("\0+$", ""));
  }

  /** Nobody in particular. */
  static Credentials none() {
    return new None();
  }
}
