package io.stagelet.cri;

import java.util.List;
import java.util.Map;

/**
 * A sandbox's attachment to a network: what is needed to undo it when the configuration has changed
 * since.
 *
 * @param network the network's name
 * @param configuration the whole network configuration list as it was, as JSON
 * @param result the last plugin's result, as JSON
 * @param addresses without prefix length, the primary first
 * @param portMappings what was asked of the portmap plugin
 */
record CniAttachment(
    String network,
    String configuration,
    String result,
    List<String> addresses,
    List<PortMapping> portMappings) {
  CniAttachment {
    addresses = List.copyOf(addresses);
    portMappings = List.copyOf(portMappings);
  }

  /** A port of the host that leads to one of the pod. */
  record PortMapping(int hostPort, int containerPort, String protocol, String hostIp) {
    /** As the {@code portMappings} capability takes it (CNI conventions). */
    Map<String, Object> argument() {
      return Map.of(
          "hostPort",
          hostPort,
          "containerPort",
          containerPort,
          "protocol",
          protocol,
          "hostIP",
          hostIp);
    }
  }
}
