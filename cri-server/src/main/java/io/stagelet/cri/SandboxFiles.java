package io.stagelet.cri;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.SecurityLabels;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.SandboxId;
import io.stagelet.stage0.spi.SandboxPlan;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * The files of a sandbox that its containers see: resolv.conf and hostname. (kubelet brings
 * /etc/hosts itself.)
 */
final class SandboxFiles {
  private static final Path HOST_RESOLV_CONF = Path.of("/etc/resolv.conf");
  private static final Path HOST_NAME = Path.of("/proc/sys/kernel/hostname");
  private static final List<String> NAMES = List.of("resolv.conf", "hostname");

  private final Records records;

  SandboxFiles(Records records) {
    this.records = records;
  }

  /** Writes the files beside the sandbox's record, whose directory exists. */
  void write(SandboxPlan sandbox, Optional<SandboxRequest.Dns> dns) {
    Path directory = records.directory(sandbox.id());
    try {
      Files.writeString(
          directory.resolve("resolv.conf"), dns.isPresent() ? dns.get().text() : hostResolvConf());
      Files.writeString(
          directory.resolve("hostname"),
          (sandbox.hostname().isPresent()
                  ? sandbox.hostname().get()
                  : Files.readString(HOST_NAME).strip())
              + "\n");
      sandbox
          .selinux()
          .ifPresent(labels ->
              NAMES.forEach(name -> SecurityLabels.label(directory.resolve(name), labels.files())));
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INTERNAL,
          "could not write resolv.conf and hostname of the sandbox in %s: %s"
              .formatted(directory, StageletException.reason(failure)),
          failure);
    }
  }

  /** The mounts that bring them into a container. */
  List<ContainerRecord.MountRecord> mounts(SandboxId sandbox) {
    Path directory = records.directory(sandbox);
    return NAMES.stream()
        .map(name ->
            new ContainerRecord.MountRecord(
                directory.resolve(name).toString(),
                "/etc/" + name,
                false,
                false,
                false,
                "PRIVATE",
                true,
                Optional.empty(),
                List.of()))
        .toList();
  }

  private static String hostResolvConf() throws IOException {
    return Files.exists(HOST_RESOLV_CONF) ? Files.readString(HOST_RESOLV_CONF) : "";
  }
}
