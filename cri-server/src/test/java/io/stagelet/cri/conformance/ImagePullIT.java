package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import io.grpc.Context;
import io.grpc.Status;
import io.stagelet.cri.v1.AuthConfig;
import io.stagelet.cri.v1.Image;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Images come from a registry, under every name they can be asked for by. */
class ImagePullIT extends ConformanceSuite {
  ImagePullIT(NodeUnderTest node) {
    super(node);
  }

  @Test
  void anImagePulledByItsTagIsKnownByTagDigestAndId() {
    PushedImage pushed = images().unique().push();

    String reference = cri().pullImage(pushed.byTag());

    Image image = cri().imageStatus(pushed.byTag(), false).getImage();
    assertThat(image.getId()).isEqualTo(reference);
    assertThat(image.getRepoTagsList()).containsExactly(pushed.byTag());
    assertThat(image.getRepoDigestsList()).containsExactly(pushed.byDigest());
    assertThat(image.getSize()).isPositive();
    assertThat(cri().imageStatus(reference, false).getImage()).isEqualTo(image);
    assertThat(cri().imageStatus(pushed.byDigest(), false).getImage()).isEqualTo(image);
  }

  @Test
  void anImagePulledByItsDigestHasThatDigestAndNoTag() {
    PushedImage pushed = images().unique().push();

    String reference = cri().pullImage(pushed.byDigest());

    Image image = cri().imageStatus(pushed.byDigest(), false).getImage();
    assertThat(image.getId()).isEqualTo(reference);
    assertThat(image.getRepoTagsList()).isEmpty();
    assertThat(image.getRepoDigestsList()).containsExactly(pushed.byDigest());
  }

  @Test
  void anImagePulledTwiceIsOneImage() {
    PushedImage pushed = images().unique().push();

    String first = cri().pullImage(pushed.byTag());
    String second = cri().pullImage(pushed.byTag());

    assertThat(second).isEqualTo(first);
    assertThat(cri().listImages(pushed.byTag())).hasSize(1);
  }

  @Test
  void oneImageUnderTwoTagsIsOneImageWithBoth() {
    ImageBuilder builder = images().unique();
    PushedImage one = builder.push("one");
    PushedImage two = builder.push("two");

    String first = cri().pullImage(one.byTag());
    String second = cri().pullImage(two.byTag());

    assertThat(second).isEqualTo(first);
    assertThat(cri().imageStatus(first, false).getImage().getRepoTagsList())
        .containsExactlyInAnyOrder(one.byTag(), two.byTag());
  }

  @Test
  void aTagThatMovedNamesTheNewImageAfterTheNextPull() {
    ImageBuilder builder = images().unique();
    String old = cri().pullImage(builder.push().byTag());
    PushedImage moved = builder.layer(new TarLayer().file("more", "more")).push();

    String now = cri().pullImage(moved.byTag());

    assertThat(now).isNotEqualTo(old);
    assertThat(cri().imageStatus(moved.byTag(), false).getImage().getId()).isEqualTo(now);
    assertThat(cri().imageStatus(old, false).getImage().getRepoTagsList()).isEmpty();
    cri().removeImage(old);
  }

  @Test
  void anImageWithoutATagIsTheOneThatIsLatest() {
    PushedImage pushed = images().unique().push("latest");

    cri().pullImage(pushed.repository());

    assertThat(cri().imageStatus(pushed.repository(), false).getImage().getRepoTagsList())
        .containsExactly(pushed.byTag());
  }

  @Test
  void anImageTellsTheUserItIsToRunAs() {
    cri().pullImage(images().namedUser().byTag());
    cri().pullImage(images().numericUser().byTag());

    Image named = cri().imageStatus(images().namedUser().byTag(), false).getImage();
    Image numeric = cri().imageStatus(images().numericUser().byTag(), false).getImage();

    assertThat(named.getUsername()).isEqualTo("app");
    assertThat(named.hasUid()).isFalse();
    assertThat(numeric.getUid().getValue()).isEqualTo(1010);
    assertThat(numeric.getUsername()).isEmpty();
  }

  @Test
  void anImageThatTheRegistryDoesNotHaveIsNotFound() {
    String absent = images().registry().address() + "/conformance/absent:1";

    Status refusal = refusal(() -> cri().pullImage(absent));

    assertThat(refusal.getCode()).isEqualTo(Status.Code.NOT_FOUND);
    assertThat(refusal.getDescription()).contains(absent);
  }

  @Test
  void aRegistryThatIsDownIsSaidToBeUnavailableInKubeletsWord() {
    String nobody = "127.0.0.1:" + TestRegistry.freePort() + "/conformance/busybox:1";

    Status refusal = refusal(() -> cri().pullImage(nobody));

    assertThat(refusal.getDescription()).contains(nobody);
    stageletOnly("the word that kubelet makes an image-pull reason of");
    assertThat(refusal.getDescription()).contains("RegistryUnavailable");
  }

  @Test
  void aNameThatIsNoImageNameIsRefused() {
    assertThat(refusal(() -> cri().pullImage("UPPER CASE/is:not:a name")).getCode())
        .isNotEqualTo(Status.Code.OK);
  }

  @Test
  void aLayerThatIsNotWhatItsDigestSaysIsRefusedAndNothingIsKept() throws IOException {
    PushedImage pushed = images().unique().push();
    Path stored = images().registry().blobFile(pushed.layers().getLast());
    byte[] content = Files.readAllBytes(stored);
    content[content.length - 1] ^= 1;
    Files.write(stored, content);

    assertThat(catchThrowable(() -> cri().pullImage(pushed.byTag()))).isNotNull();
    assertThat(cri().imageStatus(pushed.byTag(), false).hasImage()).isFalse();

    content[content.length - 1] ^= 1;
    Files.write(stored, content);
    cri().pullImage(pushed.byTag());
    assertThat(cri().imageStatus(pushed.byTag(), false).hasImage()).isTrue();
  }

  @Test
  void manyPullsOfOneImageAtTheSameTimeAllSucceed() throws Exception {
    PushedImage pushed = images().unique().push();

    try (ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<String>> pulls =
          IntStream.range(0, 8)
              .mapToObj(i -> callers.submit(() -> cri().pullImage(pushed.byTag())))
              .toList();
      for (Future<String> pull : pulls) {
        assertThat(pull.get()).isEqualTo(pulls.getFirst().get());
      }
    }
  }

  @Test
  void aPullThatItsClientGivesUpEndsAndLeavesNothing() {
    PushedImage pushed = images().unique().push();
    try (GatedRegistry gated = new GatedRegistry(images().registry())) {
      String name = gated.nameOf(pushed);
      Context.CancellableContext client = Context.current().withCancellation();
      ExecutorService caller = Executors.newSingleThreadExecutor();
      try {
        Future<Status> given =
            caller.submit(client.wrap(() -> refusal(() -> cri().pullImage(name))));
        await("a layer's transfer").until(() -> gated.waiting() > 0);
        boolean _ = client.cancel(null);

        assertThat(given.get().getCode()).isEqualTo(Status.Code.CANCELLED);
        assertThat(cri().imageStatus(name, false).hasImage()).isFalse();
        for (Path folder : node().runtime().leftovers().folders()) {
          await("an empty " + folder)
              .untilAsserted(() -> assertThat(beingPulled(folder)).isEmpty());
        }
        gated.open();
        cri().removeImage(cri().pullImage(name));
      } catch (ExecutionException | InterruptedException failure) {
        throw new IllegalStateException("the pull did not end with a status", failure);
      } finally {
        gated.open();
        caller.shutdownNow();
        client.close();
      }
    }
  }

  /** What Stagelet's store has of layers that are coming. */
  private static List<Path> beingPulled(Path folder) throws IOException {
    Path sessions = folder.resolve("root/images/sessions");
    if (!Files.isDirectory(sessions)) {
      return List.of();
    }
    try (Stream<Path> all = Files.find(sessions, 3, (path, _) -> isTemporary(path))) {
      return all.toList();
    }
  }

  private static boolean isTemporary(Path path) {
    Path parent = path.getParent();
    return parent != null && (parent.endsWith("temp") || parent.endsWith("pins"));
  }

  @Test
  void aClosedRegistryIsOpenedByTheCredentialsOfTheCall() {
    try (TestRegistry closed = TestRegistry.startClosed()) {
      PushedImage pushed = images().uniqueIn(closed).push();
      AuthConfig byName =
          AuthConfig.newBuilder()
              .setUsername(TestRegistry.USER)
              .setPassword(TestRegistry.PASSWORD)
              .build();

      refusal(() -> cri().pullImage(pushed.byTag()));
      refusal(() ->
          cri()
              .pullImage(
                  pushed.byTag(),
                  byName.toBuilder().setPassword("not " + TestRegistry.PASSWORD).build()));
      String reference = cri().pullImage(pushed.byTag(), byName);

      assertThat(cri().imageStatus(pushed.byTag(), false).getImage().getId()).isEqualTo(reference);
      cri().removeImage(reference);
    }
  }

  @Test
  void credentialsAreTakenInTheirEncodedFormToo() {
    try (TestRegistry closed = TestRegistry.startClosed()) {
      PushedImage pushed = images().uniqueIn(closed).push();
      String encoded =
          Base64.getEncoder()
              .encodeToString(
                  (TestRegistry.USER + ":" + TestRegistry.PASSWORD)
                      .getBytes(java.nio.charset.StandardCharsets.UTF_8));

      String reference =
          cri().pullImage(pushed.byTag(), AuthConfig.newBuilder().setAuth(encoded).build());

      cri().removeImage(reference);
    }
  }
}
