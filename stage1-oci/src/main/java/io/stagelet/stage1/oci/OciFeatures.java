package io.stagelet.stage1.oci;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.linux.Command;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.util.HashSet;
import java.util.Set;

/**
 * What an OCI runtime says it can do ({@code features}, OCI Runtime Specification 1.1). One that
 * does not know the command can the least.
 *
 * @param told whether it said anything
 * @param mapsIds whether it can mount with the ids of a user namespace
 * @param mountOptions the options of mounts that it knows
 * @param execsIntoCgroups whether {@code exec} takes the cgroup that the process is to be in
 */
record OciFeatures(
    boolean told, boolean mapsIds, Set<String> mountOptions, boolean execsIntoCgroups) {
  static final OciFeatures UNKNOWN = new OciFeatures(false, false, Set.of(), false);

  private static final String RECURSIVE_READ_ONLY = "rro";

  OciFeatures {
    mountOptions = Set.copyOf(mountOptions);
  }

  static OciFeatures of(OciRuntime.Probe probe, ObjectMapper json) {
    boolean intoCgroups = probe.ask("exec", "--help").text().contains("--cgroup");
    Command.Outcome outcome = probe.ask("features");
    if (outcome.exitCode() != 0) {
      return new OciFeatures(false, false, Set.of(), intoCgroups);
    }
    try {
      JsonNode features = json.readTree(outcome.output());
      Set<String> options = new HashSet<>();
      features.path("mountOptions").forEach(option -> options.add(option.asText()));
      return new OciFeatures(
          true,
          features.at("/linux/mountExtensions/idmap/enabled").asBoolean(),
          options,
          intoCgroups);
    } catch (IOException notJson) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "%s features does not answer in JSON: %s"
              .formatted(probe.binary(), StageletException.reason(notJson)),
          notJson);
    }
  }

  /** Whether a mount and all below it can be made read-only. */
  boolean mountsRecursivelyReadOnly() {
    return mountOptions.contains(RECURSIVE_READ_ONLY);
  }

  /** Whether it may know an option of a mount. */
  boolean mayKnow(String option) {
    // options of the filesystem (size=…) are not the runtime's
    return !told || option.contains("=") || mountOptions.contains(option);
  }
}
