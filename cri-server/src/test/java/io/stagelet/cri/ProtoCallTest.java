package io.stagelet.cri;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.cri.v1.ImageSpec;
import io.stagelet.cri.v1.PodSandboxConfig;
import io.stagelet.cri.v1.PodSandboxMetadata;
import io.stagelet.cri.v1.PullImageRequest;
import org.junit.jupiter.api.Test;

class ProtoCallTest {
  private final Pods pods = new Pods();

  @Test
  void aPullForAPodNamesThePod() {
    PodSandboxMetadata metadata =
        PodSandboxMetadata.newBuilder().setName("web").setNamespace("shop").setUid("u1").build();

    ProtoCall call = ProtoCall.of(pull(PodSandboxConfig.newBuilder().setMetadata(metadata)), pods);

    assertThat(call.words()).isEqualTo("image busybox for pod shop/web");
    assertThat(call.fields()).containsEntry("IMAGE_NAME", "busybox").containsValue("u1");
  }

  @Test
  void aPullWithASandboxConfigThatNamesNoPodIsToldAllTheSame() {
    ProtoCall call = ProtoCall.of(pull(PodSandboxConfig.newBuilder().putLabels("a", "b")), pods);

    assertThat(call.words()).isEqualTo("image busybox");
  }

  private static PullImageRequest pull(PodSandboxConfig.Builder config) {
    return PullImageRequest.newBuilder()
        .setImage(ImageSpec.newBuilder().setImage("busybox"))
        .setSandboxConfig(config)
        .build();
  }
}
