package io.stagelet.stage0;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * One way to authenticate that a server offers in {@code WWW-Authenticate} (RFC 9110, 11.6.1).
 *
 * @param scheme in lower case ({@code bearer})
 * @param parameters by lower-case name
 */
record AuthChallenge(String scheme, Map<String, String> parameters) {
  AuthChallenge {
    parameters = Map.copyOf(parameters);
  }

  /** A parameter's value, empty where there is none. */
  String parameter(String name) {
    return parameters.getOrDefault(name, "");
  }

  /** The challenges in one header's value; what cannot be read is left out. */
  static List<AuthChallenge> parse(String header) {
    List<AuthChallenge> challenges = new ArrayList<>();
    String scheme = "";
    Map<String, String> parameters = new LinkedHashMap<>();
    int at = 0;
    while (at < header.length()) {
      int start = at;
      while (at < header.length() && isToken(header.charAt(at))) {
        at++;
      }
      String word = header.substring(start, at).toLowerCase(Locale.ROOT);
      if (word.isEmpty()) {
        at++;
        continue;
      }
      int next = skipSpace(header, at);
      if (next < header.length() && header.charAt(next) == '=') {
        StringBuilder value = new StringBuilder();
        at = readValue(header, skipSpace(header, next + 1), value);
        parameters.put(word, value.toString());
      } else {
        if (!scheme.isEmpty()) {
          challenges.add(new AuthChallenge(scheme, parameters));
          parameters = new LinkedHashMap<>();
        }
        scheme = word;
      }
    }
    if (!scheme.isEmpty()) {
      challenges.add(new AuthChallenge(scheme, parameters));
    }
    return challenges;
  }

  /** Reads a token or a quoted string into {@code value}; returns where it ends. */
  private static int readValue(String header, int start, StringBuilder value) {
    int at = start;
    if (at < header.length() && header.charAt(at) == '"') {
      at++;
      while (at < header.length() && header.charAt(at) != '"') {
        if (header.charAt(at) == '\\' && at + 1 < header.length()) {
          at++;
        }
        value.append(header.charAt(at++));
      }
      return Math.min(at + 1, header.length());
    }
    while (at < header.length() && isToken(header.charAt(at))) {
      value.append(header.charAt(at++));
    }
    return at;
  }

  private static int skipSpace(String header, int start) {
    int at = start;
    while (at < header.length() && (header.charAt(at) == ' ' || header.charAt(at) == '\t')) {
      at++;
    }
    return at;
  }

  private static boolean isToken(char c) {
    return c > ' ' && c < 127 && "\"(),/:;<=>?@[\\]{}".indexOf(c) < 0;
  }
}
