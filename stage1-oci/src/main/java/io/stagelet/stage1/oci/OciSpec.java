package io.stagelet.stage1.oci;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.IdMapping;
import io.stagelet.linux.IdMappings;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.ExecPlan;
import io.stagelet.stage0.spi.SandboxPlan;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The config.json of a container (OCI Runtime Specification 1.2).
 *
 * <p>It has no {@code linux.resources}: limits and device rules are properties of the container's
 * unit, and the unit's cgroup is the container's.
 */
final class OciSpec {
  private static final List<String> DEV_OPTIONS =
      List.of("nosuid", "strictatime", "mode=755", "size=65536k");
  private static final List<String> INERT = List.of("nosuid", "noexec", "nodev");

  private final ObjectMapper json;
  private final JsonNodeFactory nodes = JsonNodeFactory.instance;

  OciSpec(ObjectMapper json) {
    this.json = json;
  }

  /** The whole config.json. */
  byte[] config(ContainerPlan container, String cgroup) {
    ObjectNode config = nodes.objectNode();
    config.put("ociVersion", "1.0.2");
    config.set("process", processNode(container, container.process()));
    config
        .putObject("root")
        .put("path", container.rootfs().toString())
        .put("readonly", container.security().readOnlyRootfs());
    config.set("mounts", mounts(container));
    if (!container.hooks().isEmpty()) {
      config.set("hooks", hooks(container));
    }
    config.set("linux", linux(container, cgroup));
    return bytes(config);
  }

  /** The process section, as {@code exec --process} takes it. */
  byte[] process(ContainerPlan container, ExecPlan process) {
    return bytes(processNode(container, process));
  }

  private ObjectNode processNode(ContainerPlan container, ExecPlan plan) {
    ObjectNode process = nodes.objectNode();
    process.put("terminal", plan.terminal());
    ObjectNode user =
        process.putObject("user").put("uid", plan.user().uid()).put("gid", plan.user().gid());
    ArrayNode groups = user.putArray("additionalGids");
    plan.user().additionalGroups().forEach(groups::add);
    process.set("args", strings(plan.arguments()));
    process.set("env", strings(plan.environment()));
    process.put("cwd", plan.workingDirectory());
    process.put("noNewPrivileges", plan.noNewPrivileges());
    process.put("oomScoreAdj", container.resources().oomScoreAdjust());
    ContainerPlan.Security security = container.security();
    ObjectNode capabilities = process.putObject("capabilities");
    for (String set : List.of("bounding", "effective", "permitted")) {
      capabilities.set(set, strings(security.capabilities()));
    }
    if (!security.ambientCapabilities().isEmpty()) {
      // an ambient capability must be inheritable as well (capabilities(7))
      capabilities.set("inheritable", strings(security.ambientCapabilities()));
      capabilities.set("ambient", strings(security.ambientCapabilities()));
    }
    security.apparmorProfile().ifPresent(profile -> process.put("apparmorProfile", profile));
    security.selinux().ifPresent(label -> process.put("selinuxLabel", label));
    return process;
  }

  private ArrayNode mounts(ContainerPlan container) {
    boolean privileged = container.security().privileged();
    String access = privileged ? "rw" : "ro";
    ArrayNode mounts = nodes.arrayNode();
    mount(mounts, "/proc", "proc", "proc", INERT);
    mount(mounts, "/dev", "tmpfs", "tmpfs", DEV_OPTIONS);
    mount(
        mounts,
        "/dev/pts",
        "devpts",
        "devpts",
        List.of("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"));
    mount(mounts, "/dev/mqueue", "mqueue", "mqueue", INERT);
    mount(mounts, "/sys", "sysfs", "sysfs", List.of("nosuid", "noexec", "nodev", access));
    mount(
        mounts,
        "/sys/fs/cgroup",
        "cgroup",
        "cgroup",
        List.of("nosuid", "noexec", "nodev", "relatime", access));
    mount(
        mounts,
        "/dev/shm",
        "bind",
        sharedMemory(container.sandbox()).toString(),
        List.of("rbind", "nosuid", "noexec", "nodev"));
    for (ContainerPlan.Mount bind : container.mounts()) {
      String propagation =
          switch (bind.propagation()) {
            case PRIVATE -> "rprivate";
            case HOST_TO_CONTAINER -> "rslave";
            case BIDIRECTIONAL -> "rshared";
          };
      String rights = bind.recursiveReadOnly() ? "rro" : bind.readOnly() ? "ro" : "rw";
      mount(
          mounts,
          bind.destination(),
          "bind",
          bind.source().toString(),
          options(propagation, rights, bind.options()));
      if (bind.mapped() && container.sandbox().ids().isPresent()) {
        map((ObjectNode) mounts.get(mounts.size() - 1), container.sandbox().ids().get());
      }
    }
    return mounts;
  }

  private static List<String> options(String propagation, String rights, List<String> more) {
    List<String> options = new ArrayList<>(List.of("rbind", propagation, rights));
    more.stream().filter(option -> !options.contains(option)).forEach(options::add);
    return options;
  }

  private ObjectNode hooks(ContainerPlan container) {
    ObjectNode hooks = nodes.objectNode();
    for (ContainerPlan.Hook hook : container.hooks()) {
      ObjectNode node =
          hooks.withArrayProperty(hook.point()).addObject().put("path", hook.path().toString());
      if (!hook.arguments().isEmpty()) {
        node.set("args", strings(hook.arguments()));
      }
      if (!hook.environment().isEmpty()) {
        node.set("env", strings(hook.environment()));
      }
      hook.timeout().ifPresent(timeout -> node.put("timeout", Math.max(1, timeout.toSeconds())));
    }
    return hooks;
  }

  private ObjectNode linux(ContainerPlan container, String cgroup) {
    ObjectNode linux = nodes.objectNode();
    linux.put("cgroupsPath", cgroup);
    container.sandbox().ids().ifPresent(ids -> map(linux, ids));
    linux.set("namespaces", namespaces(container));
    ContainerPlan.Security security = container.security();
    linux.set("maskedPaths", strings(security.maskedPaths()));
    linux.set("readonlyPaths", strings(security.readOnlyPaths()));
    security.mountLabel().ifPresent(label -> linux.put("mountLabel", label));
    security.seccomp().ifPresent(profile -> linux.set("seccomp", parsed(profile)));
    ArrayNode devices = linux.putArray("devices");
    container.devices().forEach(device -> devices.add(DeviceNode.of(device).spec(nodes)));
    if (container.mounts().stream()
        .anyMatch(mount -> mount.propagation() == ContainerPlan.Propagation.BIDIRECTIONAL)) {
      linux.put("rootfsPropagation", "rshared");
    } else if (container.mounts().stream()
        .anyMatch(mount -> mount.propagation() == ContainerPlan.Propagation.HOST_TO_CONTAINER)) {
      linux.put("rootfsPropagation", "rslave");
    }
    return linux;
  }

  private ArrayNode namespaces(ContainerPlan container) {
    SandboxPlan sandbox = container.sandbox();
    ArrayNode namespaces = nodes.arrayNode();
    namespaces.addObject().put("type", "mount");
    if (!container.security().privileged()) {
      namespaces.addObject().put("type", "cgroup");
    }
    switch (container.pids().sharing()) {
      case OWN -> namespaces.addObject().put("type", "pid");
      case POD ->
          namespaces
              .addObject()
              .put("type", "pid")
              .put("path", SandboxNamespaces.pid(sandbox).toString());
      case TARGET ->
          namespaces
              .addObject()
              .put("type", "pid")
              .put("path", SandboxNamespaces.targetPid(container).toString());
      case HOST -> {}
    }
    SandboxNamespaces.pins(sandbox)
        .forEach((kind, pin) ->
            namespaces
                .addObject()
                .put(
                    "type",
                    kind == io.stagelet.linux.Namespaces.Kind.NETWORK ? "network" : kind.file())
                .put("path", pin.toString()));
    return namespaces;
  }

  private static void map(ObjectNode node, IdMappings ids) {
    map(node.putArray("uidMappings"), ids.users());
    map(node.putArray("gidMappings"), ids.groups());
  }

  private static void map(ArrayNode array, List<IdMapping> ranges) {
    ranges.forEach(range ->
        array
            .addObject()
            .put("containerID", range.inside())
            .put("hostID", range.outside())
            .put("size", range.length()));
  }

  private static Path sharedMemory(SandboxPlan sandbox) {
    return sandbox.hostIpc() ? Path.of("/dev/shm") : SandboxNamespaces.sharedMemory(sandbox);
  }

  private void mount(
      ArrayNode mounts, String destination, String type, String source, List<String> options) {
    mounts
        .addObject()
        .put("destination", destination)
        .put("type", type)
        .put("source", source)
        .set("options", strings(options));
  }

  private ArrayNode strings(List<String> values) {
    ArrayNode array = nodes.arrayNode();
    values.forEach(array::add);
    return array;
  }

  private com.fasterxml.jackson.databind.JsonNode parsed(String text) {
    try {
      return json.readTree(text);
    } catch (JsonProcessingException failure) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "the seccomp profile is not JSON: " + StageletException.reason(failure),
          failure);
    }
  }

  private byte[] bytes(ObjectNode node) {
    try {
      return json.writeValueAsBytes(node);
    } catch (JsonProcessingException failure) {
      throw new IllegalStateException("a tree of plain nodes cannot be written", failure);
    }
  }
}
