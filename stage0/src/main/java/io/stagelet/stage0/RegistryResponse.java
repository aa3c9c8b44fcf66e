package io.stagelet.stage0;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * What a server answered to one request.
 *
 * @param statusCode the HTTP status
 * @param headers by lower-case name, all values of each
 * @param body still to be read, and to be closed
 */
record RegistryResponse(int statusCode, Map<String, List<String>> headers, BodyReader body) {
  RegistryResponse {
    headers = Map.copyOf(headers);
  }

  /** The first value of a header. */
  Optional<String> header(String name) {
    return headers(name).stream().findFirst();
  }

  /** All values of a header, none where it is missing. */
  List<String> headers(String name) {
    return headers.getOrDefault(name.toLowerCase(Locale.ROOT), List.of());
  }
}
