package io.stagelet.stage1.oci;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.ContainerPlan;
import java.io.IOException;
import java.nio.file.Files;
import java.util.Map;

/**
 * A device of the host as the container gets it: same type, numbers, mode and owner.
 *
 * @param type {@code c} or {@code b}
 */
record DeviceNode(
    String destination, String type, long major, long minor, int mode, int uid, int gid) {
  private static final int TYPE_MASK = 0170000;
  private static final int BLOCK = 0060000;
  private static final int CHARACTER = 0020000;
  private static final int DEFAULT_MODE = 0666;

  /**
   * The host's node, but for what is said of the container's.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} when it is none
   */
  static DeviceNode of(ContainerPlan.Device device) {
    if (device.node().isEmpty()) {
      return onHost(device);
    }
    ContainerPlan.Node node = device.node().get();
    DeviceNode host =
        node.type().isPresent() && node.major().isPresent() && node.minor().isPresent()
            ? new DeviceNode(
                device.destination(),
                node.type().get(),
                node.major().get(),
                node.minor().get(),
                DEFAULT_MODE,
                0,
                0)
            : onHost(device);
    return new DeviceNode(
        device.destination(),
        node.type().orElse(host.type()),
        node.major().orElse(host.major()),
        node.minor().orElse(host.minor()),
        node.mode().orElse(host.mode()),
        node.uid().orElse(host.uid()),
        node.gid().orElse(host.gid()));
  }

  private static DeviceNode onHost(ContainerPlan.Device device) {
    try {
      Map<String, Object> attributes =
          Files.readAttributes(device.source(), "unix:mode,rdev,uid,gid");
      int mode = (int) number(attributes, "mode");
      long number = number(attributes, "rdev");
      int kind = mode & TYPE_MASK;
      if (kind != BLOCK && kind != CHARACTER) {
        throw new StageletException(
            ErrorCode.INVALID_ARGUMENT,
            "the device %s is not a device node".formatted(device.source()));
      }
      return new DeviceNode(
          device.destination(),
          kind == BLOCK ? "b" : "c",
          (number >>> 8 & 0xfff) | (number >>> 32 & ~0xfffL),
          (number & 0xff) | (number >>> 12 & ~0xffL),
          mode & 0777,
          (int) number(attributes, "uid"),
          (int) number(attributes, "gid"));
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "the device %s cannot be read: %s"
              .formatted(device.source(), StageletException.reason(failure)),
          failure);
    }
  }

  private static long number(Map<String, Object> attributes, String name) {
    return attributes.get(name) instanceof Number number ? number.longValue() : 0;
  }

  ObjectNode spec(JsonNodeFactory nodes) {
    return nodes
        .objectNode()
        .put("path", destination)
        .put("type", type)
        .put("major", major)
        .put("minor", minor)
        .put("fileMode", mode)
        .put("uid", uid)
        .put("gid", gid);
  }
}
