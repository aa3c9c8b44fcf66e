package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNoException;

import io.stagelet.cri.v1.Image;
import io.stagelet.cri.v1.ImageStatusResponse;
import org.junit.jupiter.api.Test;

/** Images are listed, described and removed. */
class ImageListIT extends ConformanceSuite {
  ImageListIT(NodeUnderTest node) {
    super(node);
  }

  @Test
  void aPulledImageIsListedWithTheOthers() {
    String one = cri().pullImage(images().unique().push().byTag());
    String other = cri().pullImage(images().unique().push().byTag());

    assertThat(cri().listImages())
        .extracting(Image::getId)
        .contains(one, other)
        .doesNotHaveDuplicates();
  }

  @Test
  void theListCanBeAskedForOneImage() {
    PushedImage wanted = images().unique().push();
    String reference = cri().pullImage(wanted.byTag());
    cri().pullImage(images().unique().push().byTag());

    assertThat(cri().listImages(wanted.byTag()))
        .extracting(Image::getId)
        .containsExactly(reference);
    assertThat(cri().listImages(images().unique().push().byTag())).isEmpty();
  }

  @Test
  void theStatusOfAnAbsentImageIsAnEmptyReply() {
    PushedImage neverPulled = images().unique().push();

    assertThat(cri().imageStatus(neverPulled.byTag(), false).hasImage()).isFalse();
    assertThat(cri().imageStatus(neverPulled.config(), true).hasImage()).isFalse();
  }

  @Test
  void theStatusSaysMoreWhenAsked() {
    PushedImage pushed = images().unique().push();
    cri().pullImage(pushed.byTag());

    ImageStatusResponse brief = cri().imageStatus(pushed.byTag(), false);
    ImageStatusResponse verbose = cri().imageStatus(pushed.byTag(), true);

    assertThat(brief.getInfoMap()).isEmpty();
    assertThat(verbose.getInfoMap()).isNotEmpty();
    assertThat(verbose.getImage()).isEqualTo(brief.getImage());
  }

  @Test
  void removingAnAbsentImageIsFine() {
    assertThatNoException().isThrownBy(() -> cri().removeImage(images().unique().push().byTag()));
  }

  @Test
  void aRemovedImageIsGoneAtOnce() {
    PushedImage pushed = images().unique().push();
    String reference = cri().pullImage(pushed.byTag());

    cri().removeImage(reference);

    assertThat(cri().imageStatus(reference, false).hasImage()).isFalse();
    assertThat(cri().imageStatus(pushed.byTag(), false).hasImage()).isFalse();
    assertThat(cri().imageStatus(pushed.byDigest(), false).hasImage()).isFalse();
    assertThat(cri().listImages()).extracting(Image::getId).doesNotContain(reference);
  }

  @Test
  void removingByOneTagRemovesTheImageWithAllItsTags() {
    ImageBuilder builder = images().unique();
    PushedImage one = builder.push("one");
    PushedImage two = builder.push("two");
    cri().pullImage(one.byTag());
    cri().pullImage(two.byTag());

    cri().removeImage(one.byTag());

    assertThat(cri().imageStatus(one.byTag(), false).hasImage()).isFalse();
    assertThat(cri().imageStatus(two.byTag(), false).hasImage()).isFalse();
  }

  @Test
  void aRemovedImageCanBePulledAgain() {
    PushedImage pushed = images().unique().push();
    String reference = cri().pullImage(pushed.byTag());
    cri().removeImage(reference);

    assertThat(cri().pullImage(pushed.byTag())).isEqualTo(reference);
    assertThat(cri().imageStatus(pushed.byTag(), false).hasImage()).isTrue();
  }

  @Test
  void imagesThatShareLayersAreRemovedEachForItself() {
    ImageBuilder builder = images().unique();
    PushedImage lower = builder.push("lower");
    PushedImage upper = builder.layer(new TarLayer().file("upper", "upper")).push("upper");
    String lowerId = cri().pullImage(lower.byTag());
    cri().pullImage(upper.byTag());

    cri().removeImage(lowerId);

    TestContainer container = sharedPod().container(upper).shell("cat /mark /upper").runToItsEnd();
    assertThat(container.status().getExitCode()).isZero();
  }

  @Test
  void aContainerLivesOnWhenItsImageIsRemoved() {
    PushedImage pushed = images().unique().push();
    String reference = cri().pullImage(pushed.byTag());
    TestContainer container = pods().run().container(pushed).idle().start();

    cri().removeImage(reference);

    assertThat(container.execText("cat", "/mark")).isNotBlank();
  }
}
