package io.stagelet.cri.conformance;

import com.google.protobuf.ByteString;
import io.stagelet.cri.v1.ContainerConfig;
import io.stagelet.cri.v1.Int64Value;
import io.stagelet.cri.v1.KeyValue;
import io.stagelet.cri.v1.LinuxContainerSecurityContext;
import io.stagelet.cri.v1.Mount;
import java.nio.file.Path;
import java.util.List;
import java.util.UUID;
import java.util.function.Consumer;

/** A container's configuration in the making, as kubelet makes it. */
final class ContainerBuilder {
  private final TestPod pod;
  private final ContainerConfig.Builder config = ContainerConfig.newBuilder();

  private static final List<String> MASKED =
      List.of(
          "/proc/asound",
          "/proc/acpi",
          "/proc/kcore",
          "/proc/keys",
          "/proc/latency_stats",
          "/proc/timer_list",
          "/proc/timer_stats",
          "/proc/sched_debug",
          "/proc/scsi",
          "/sys/firmware",
          "/sys/devices/virtual/powercap");
  private static final List<String> READ_ONLY =
      List.of("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger");

  ContainerBuilder(TestPod pod, String image) {
    this.pod = pod;
    String name = "c-" + UUID.randomUUID().toString().substring(0, 8);
    config.getMetadataBuilder().setName(name);
    config.getImageBuilder().setImage(image).setUserSpecifiedImage(image);
    config.setLogPath(name + "/0.log");
    // what kubelet says of every container whose procMount is the default
    securityContext()
        .addAllMaskedPaths(MASKED)
        .addAllReadonlyPaths(READ_ONLY)
        .getNamespaceOptionsBuilder()
        .setPid(pod.config().getLinux().getSecurityContext().getNamespaceOptions().getPid());
  }

  /** Replaces the image's entrypoint. */
  ContainerBuilder command(String... words) {
    config.clearCommand().addAllCommand(List.of(words));
    return this;
  }

  /** Replaces the image's command. */
  ContainerBuilder arguments(String... words) {
    config.clearArgs().addAllArgs(List.of(words));
    return this;
  }

  /** Runs a shell script. */
  ContainerBuilder shell(String script) {
    return command("/bin/sh", "-c", script);
  }

  /** Waits until it is told to end, and then ends at once with code 0. */
  ContainerBuilder idle() {
    return shell("trap 'exit 0' TERM; sleep 1000000 & wait");
  }

  ContainerBuilder environment(String name, String value) {
    config.addEnvs(KeyValue.newBuilder().setKey(name).setValue(ByteString.copyFromUtf8(value)));
    return this;
  }

  ContainerBuilder workingFolder(String path) {
    config.setWorkingDir(path);
    return this;
  }

  ContainerBuilder mount(Path host, String container, boolean readOnly) {
    config.addMounts(
        Mount.newBuilder()
            .setHostPath(host.toString())
            .setContainerPath(container)
            .setReadonly(readOnly));
    return this;
  }

  ContainerBuilder label(String key, String value) {
    config.putLabels(key, value);
    return this;
  }

  ContainerBuilder user(long uid) {
    securityContext().setRunAsUser(Int64Value.newBuilder().setValue(uid));
    return this;
  }

  ContainerBuilder group(long gid) {
    securityContext().setRunAsGroup(Int64Value.newBuilder().setValue(gid));
    return this;
  }

  /** Anything else of the configuration. */
  ContainerBuilder with(Consumer<ContainerConfig.Builder> change) {
    change.accept(config);
    return this;
  }

  LinuxContainerSecurityContext.Builder securityContext() {
    return config.getLinuxBuilder().getSecurityContextBuilder();
  }

  TestContainer create() {
    ContainerConfig whole = config.build();
    String id = pod.pods().node().cri().createContainer(pod.id(), whole, pod.config());
    return new TestContainer(pod, id, whole);
  }

  /** Creates it and starts it. */
  TestContainer start() {
    TestContainer container = create();
    container.start();
    return container;
  }

  /** Creates it, starts it, and waits for its end. */
  TestContainer runToItsEnd() {
    TestContainer container = start();
    container.awaitEnd();
    return container;
  }
}
