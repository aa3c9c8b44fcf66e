package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.stagelet.cri.v1.ImageSpec;
import io.stagelet.cri.v1.Mount;
import org.junit.jupiter.api.Test;

/** Images that are mounted into containers of other images. */
@AlsoOnNspawn
class ImageVolumeIT extends ConformanceSuite {
  ImageVolumeIT(NodeUnderTest node) {
    super(node);
  }

  @Test
  void anImageIsMountedAndCannotBeWritten() {
    TestContainer container =
        sharedPod().container().idle().with(c -> c.addMounts(volume(""))).start();

    assertThat(container.execText("cat", "/volume/data/kept")).isEqualTo("kept");
    assertThat(container.exec("sh", "-c", "echo x > /volume/data/kept").getExitCode()).isNotZero();
    Mount told = container.status().getMounts(0);
    assertThat(told.getHostPath()).isEmpty();
    assertThat(told.getImage().getImageRef()).startsWith("sha256:");
  }

  @Test
  void aSubPathIsMountedAlone() {
    TestContainer container =
        sharedPod().container().idle().with(c -> c.addMounts(volume("data"))).start();

    assertThat(container.execText("cat", "/volume/kept")).isEqualTo("kept");
  }

  @Test
  void aSubPathThatIsNotThereIsRefused() {
    Status refusal =
        refusal(() -> sharedPod().container().with(c -> c.addMounts(volume("no/such"))).create());

    assertThat(refusal.getDescription()).contains("ImageVolumeMountFailed").contains("no/such");
  }

  @Test
  void anImageThatIsNotHereIsRefused() {
    Mount absent =
        volume("").toBuilder()
            .setImage(ImageSpec.newBuilder().setImage("127.0.0.1:1/no/such:image"))
            .build();

    Status refusal = refusal(() -> sharedPod().container().with(c -> c.addMounts(absent)).create());

    assertThat(refusal.getDescription()).contains("127.0.0.1:1/no/such:image");
  }

  @Test
  void anImageToBeWrittenIsRefused() {
    Mount writable = volume("").toBuilder().setReadonly(false).build();

    assertThat(
            refusal(() -> sharedPod().container().with(c -> c.addMounts(writable)).create())
                .getCode())
        .isEqualTo(Status.Code.INVALID_ARGUMENT);
  }

  private Mount volume(String subPath) {
    String image = node().pulled(images().layered());
    return Mount.newBuilder()
        .setContainerPath("/volume")
        .setReadonly(true)
        .setImage(ImageSpec.newBuilder().setImage(image).setUserSpecifiedImage(image))
        .setImageSubPath(subPath)
        .build();
  }
}
