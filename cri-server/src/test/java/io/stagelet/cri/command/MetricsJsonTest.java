package io.stagelet.cri.command;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.ArrayNode;
import org.junit.jupiter.api.Test;

class MetricsJsonTest {
  @Test
  void aSampleIsAnObject() {
    ArrayNode samples =
        MetricsJson.of(
            """
            # HELP stagelet_pods Pods that are known.
            # TYPE stagelet_pods gauge
            stagelet_pods{state="READY"} 3
            process_open_fds 12.5
            x_bucket{method="Run, \\"quoted\\" \\\\ and\\nmore",le="+Inf"} 7
            y +Inf
            """);

    assertThat(samples.toString())
        .isEqualTo(
            "[{\"name\":\"stagelet_pods\",\"labels\":{\"state\":\"READY\"},\"value\":3.0},"
                + "{\"name\":\"process_open_fds\",\"labels\":{},\"value\":12.5},"
                + "{\"name\":\"x_bucket\",\"labels\":{\"method\":\"Run, \\\"quoted\\\" \\\\ and\\nmore\","
                + "\"le\":\"+Inf\"},\"value\":7.0},"
                + "{\"name\":\"y\",\"labels\":{},\"value\":\"+Inf\"}]");
  }
}
