package io.stagelet.cri.conformance;

/**
 * The runtime handler that sandboxes are run with.
 *
 * @param name as the runtime's configuration has it; empty for the runtime's default
 */
record Handler(String name) {
  /** Pods as machines. */
  static final Handler NSPAWN = new Handler("nspawn");

  /** Containers as machines, which their images boot. */
  static final Handler BOOTING = new Handler("nspawn-boot");

  /** Pods as machines that have a bus. */
  static final Handler WITH_BUS = new Handler("nspawn-bus");

  /** For a test's display name. */
  @Override
  public String toString() {
    return name.isEmpty() ? "default handler" : name;
  }
}
