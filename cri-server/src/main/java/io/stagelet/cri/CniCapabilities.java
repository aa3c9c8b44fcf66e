package io.stagelet.cri;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.math.BigDecimal;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What CNI plugins can be told of a pod beside their own configuration: the capability arguments of
 * the CNI conventions. A plugin gets those that its configuration says it takes.
 */
final class CniCapabilities {
  static final String INGRESS = "kubernetes.io/ingress-bandwidth";
  static final String EGRESS = "kubernetes.io/egress-bandwidth";

  private static final ObjectMapper JSON = new ObjectMapper();

  /** Bits: what goes through at once after a silence; the plugin wants a number below 2^35. */
  private static final long BURST = Integer.MAX_VALUE;

  private static final BigDecimal LEAST_RATE = BigDecimal.valueOf(1_000);
  private static final BigDecimal MOST_RATE = BigDecimal.valueOf(1_000_000_000_000_000L);
  private static final Pattern QUANTITY =
      Pattern.compile(
          "([0-9]+(?:\\.[0-9]*)?|\\.[0-9]+)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi|[eE][0-9]{1,2})?");
  private static final Map<String, BigDecimal> FACTORS =
      Map.ofEntries(
          Map.entry("m", new BigDecimal("0.001")),
          Map.entry("k", BigDecimal.TEN.pow(3)),
          Map.entry("M", BigDecimal.TEN.pow(6)),
          Map.entry("G", BigDecimal.TEN.pow(9)),
          Map.entry("T", BigDecimal.TEN.pow(12)),
          Map.entry("P", BigDecimal.TEN.pow(15)),
          Map.entry("Ki", BigDecimal.TWO.pow(10)),
          Map.entry("Mi", BigDecimal.TWO.pow(20)),
          Map.entry("Gi", BigDecimal.TWO.pow(30)),
          Map.entry("Ti", BigDecimal.TWO.pow(40)),
          Map.entry("Pi", BigDecimal.TWO.pow(50)));

  private CniCapabilities() {}

  /**
   * All arguments there are for a pod, by capability.
   *
   * @param podRanges the ranges of addresses that kubelet gave this node; empty when it gave none
   * @throws StageletException {@code INVALID_ARGUMENT} when an annotation cannot be understood
   */
  static ObjectNode arguments(SandboxRequest request, List<String> podRanges) {
    ObjectNode all = JSON.createObjectNode();
    if (!request.portMappings().isEmpty()) {
      all.set("portMappings", portMappings(request.portMappings()));
    }
    ObjectNode bandwidth = JSON.createObjectNode();
    rate(bandwidth, "ingress", request.annotations(), INGRESS);
    rate(bandwidth, "egress", request.annotations(), EGRESS);
    if (!bandwidth.isEmpty()) {
      all.set("bandwidth", bandwidth);
    }
    if (!podRanges.isEmpty()) {
      ArrayNode ranges = all.putArray("ipRanges");
      podRanges.forEach(range -> ranges.addArray().addObject().put("subnet", range));
    }
    request
        .dns()
        .ifPresent(dns -> {
          ObjectNode node = all.putObject("dns");
          dns.servers().forEach(node.putArray("servers")::add);
          dns.searches().forEach(node.putArray("searches")::add);
          dns.options().forEach(node.putArray("options")::add);
        });
    if (!request.annotations().isEmpty()) {
      ObjectNode annotations = all.putObject("io.kubernetes.cri.pod-annotations");
      new TreeMap<>(request.annotations()).forEach(annotations::put);
    }
    if (!request.cgroupParent().isEmpty()) {
      all.put("cgroupPath", request.cgroupParent());
    }
    return all;
  }

  /** As the portmap plugin takes them. */
  static ArrayNode portMappings(List<CniAttachment.PortMapping> mappings) {
    return JSON.valueToTree(mappings.stream().map(CniAttachment.PortMapping::argument).toList());
  }

  /** Of all arguments, those that a plugin's configuration says it takes. */
  static ObjectNode taken(ObjectNode plugin, ObjectNode all) {
    ObjectNode taken = JSON.createObjectNode();
    all.properties()
        .forEach(argument -> {
          if (plugin.path("capabilities").path(argument.getKey()).asBoolean()) {
            taken.set(argument.getKey(), argument.getValue());
          }
        });
    return taken;
  }

  private static void rate(
      ObjectNode bandwidth, String direction, Map<String, String> annotations, String name) {
    String text = annotations.get(name);
    if (text != null) {
      bandwidth.put(direction + "Rate", bits(name, text));
      bandwidth.put(direction + "Burst", BURST);
    }
  }

  /** A quantity of Kubernetes, in bits a second. */
  private static long bits(String name, String text) {
    Matcher quantity = QUANTITY.matcher(text.strip());
    if (!quantity.matches()) {
      throw wrong(name, text, "is not a quantity such as 10M");
    }
    BigDecimal bits = new BigDecimal(quantity.group(1));
    String suffix = quantity.group(2);
    if (suffix != null) {
      BigDecimal factor = FACTORS.get(suffix);
      bits =
          factor == null
              ? bits.scaleByPowerOfTen(Integer.parseInt(suffix.substring(1)))
              : bits.multiply(factor);
    }
    if (bits.compareTo(LEAST_RATE) < 0 || bits.compareTo(MOST_RATE) > 0) {
      throw wrong(name, text, "goes from 1k to 1P");
    }
    return bits.longValue();
  }

  private static StageletException wrong(String name, String text, String why) {
    return new StageletException(
        ErrorCode.INVALID_ARGUMENT, "the annotation %s is '%s', and %s".formatted(name, text, why));
  }
}
