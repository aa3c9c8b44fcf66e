package io.stagelet.stage0;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Where this machine's files about registries are: those that Podman, CRI-O and Skopeo read, too.
 *
 * @param registries {@code containers-registries.conf(5)}
 * @param registriesDropIns its drop-ins
 * @param certificates directories with one directory for each {@code host[:port]} ({@code
 *     containers-certs.d(5)})
 * @param credentials {@code containers-auth.json(5)} and Docker's files like it; the first that
 *     knows a registry wins
 * @param policy {@code containers-policy.json(5)}
 * @param signatures {@code containers-registries.d(5)}: where signatures are
 */
public record RegistryFiles(
    Path registries,
    Path registriesDropIns,
    List<Path> certificates,
    List<Path> credentials,
    Path policy,
    Path signatures) {
  public RegistryFiles {
    certificates = List.copyOf(certificates);
    credentials = List.copyOf(credentials);
  }

  /**
   * Where they are on every machine.
   *
   * @param environment {@code REGISTRY_AUTH_FILE}, {@code DOCKER_CONFIG}, {@code XDG_RUNTIME_DIR}
   *     and {@code HOME} are looked at
   */
  public static RegistryFiles system(Map<String, String> environment) {
    Path containers = Path.of("/etc/containers");
    List<Path> credentials = new ArrayList<>();
    add(credentials, environment.get("REGISTRY_AUTH_FILE"), "");
    add(credentials, environment.get("XDG_RUNTIME_DIR"), "containers/auth.json");
    credentials.add(Path.of("/run/containers/0/auth.json"));
    credentials.add(containers.resolve("auth.json"));
    String home = environment.getOrDefault("HOME", "/root");
    add(credentials, home, ".config/containers/auth.json");
    add(credentials, environment.get("DOCKER_CONFIG"), "config.json");
    add(credentials, home, ".docker/config.json");
    return new RegistryFiles(
        containers.resolve("registries.conf"),
        containers.resolve("registries.conf.d"),
        List.of(containers.resolve("certs.d"), Path.of("/etc/docker/certs.d")),
        credentials,
        containers.resolve("policy.json"),
        containers.resolve("registries.d"));
  }

  private static void add(
      List<Path> files, @org.jspecify.annotations.Nullable String directory, String name) {
    if (directory != null && !directory.isEmpty()) {
      files.add(Path.of(directory).resolve(name));
    }
  }
}
