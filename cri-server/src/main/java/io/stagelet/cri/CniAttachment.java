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
 * @param arguments what plugins may be told of the pod, by capability, as JSON; empty for the port
 *     mappings alone
 */
record CniAttachment(
    String network,
    String configuration,
    String result,
    List<String> addresses,
    List<PortMapping> portMappings,
    String arguments) {
  CniAttachment {
    // an attachment that was stored by an earlier version has none
    arguments = arguments == null ? "" : arguments;
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
