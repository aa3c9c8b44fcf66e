package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.cri.v1.CgroupDriver;
import io.stagelet.cri.v1.RuntimeCondition;
import io.stagelet.cri.v1.RuntimeConfigRequest;
import io.stagelet.cri.v1.RuntimeHandler;
import io.stagelet.cri.v1.VersionResponse;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What kubelet asks before anything else. */
class VersionAndStatusIT extends ConformanceSuite {
  VersionAndStatusIT(NodeUnderTest node) {
    super(node);
  }

  @Test
  void theVersionTellsKubeletsInterfaceTheRuntimeAndItsRelease() {
    VersionResponse version = cri().version();

    assertThat(version.getVersion()).isEqualTo("0.1.0");
    assertThat(version.getRuntimeName()).isNotBlank();
    assertThat(version.getRuntimeVersion()).isNotBlank();
    assertThat(version.getRuntimeApiVersion()).isEqualTo("v1");
  }

  @Test
  void runtimeAndNetworkAreReady() {
    List<RuntimeCondition> conditions = cri().status(false).getStatus().getConditionsList();

    assertThat(conditions)
        .filteredOn(RuntimeCondition::getStatus)
        .extracting(RuntimeCondition::getType)
        .contains("RuntimeReady", "NetworkReady");
  }

  @Test
  void theStatusSaysMoreOnlyWhenAsked() {
    assertThat(cri().status(false).getInfoMap()).isEmpty();
    assertThat(cri().status(true).getInfoMap()).isNotEmpty();
  }

  @Test
  void theStatusListsEachHandlerAndTheDefaultOneUnderTheEmptyName() {
    stageletOnly("the list of handlers came with Kubernetes 1.30");

    assertThat(cri().status(false).getRuntimeHandlersList())
        .extracting(RuntimeHandler::getName)
        .contains("", node().handler().name());
  }

  @Test
  void theCgroupDriverIsSystemd() {
    CgroupDriver driver =
        cri()
            .runtime(Duration.ofSeconds(10))
            .runtimeConfig(RuntimeConfigRequest.getDefaultInstance())
            .getLinux()
            .getCgroupDriver();

    assertThat(driver).isEqualTo(CgroupDriver.SYSTEMD);
  }
}
