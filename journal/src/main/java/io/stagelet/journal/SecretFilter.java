package io.stagelet.journal;

import java.util.regex.Pattern;

/**
 * Blots out of a message what gives access to something: a password in an address, a token in an
 * HTTP header or in a query. Our own messages hold none; what registries, plugins and libraries say
 * may.
 */
public final class SecretFilter {
  private static final String BLOT = "[hidden]";
  private static final Pattern USER_IN_ADDRESS = Pattern.compile("(://)[^/@\\s:]*:[^/@\\s]+@");
  private static final Pattern SCHEME =
      Pattern.compile("\\b(Bearer|Basic)\\s+[A-Za-z0-9._~+/=-]{8,}", Pattern.CASE_INSENSITIVE);
  private static final Pattern NAMED =
      Pattern.compile(
          "([\"']?\\b(?:access_token|refresh_token|identitytoken|registrytoken|token|password|passwd|secret)[\"']?\\s*[=:]\\s*[\"']?)[^\\s\"',;&}]+",
          Pattern.CASE_INSENSITIVE);

  private SecretFilter() {}

  /** The text without secrets. */
  public static String clean(String text) {
    String cleaned = text;
    if (cleaned.contains("://")) {
      cleaned = USER_IN_ADDRESS.matcher(cleaned).replaceAll("$1" + BLOT + "@");
    }
    cleaned = SCHEME.matcher(cleaned).replaceAll("$1 " + BLOT);
    return NAMED.matcher(cleaned).replaceAll("$1" + BLOT);
  }
}
