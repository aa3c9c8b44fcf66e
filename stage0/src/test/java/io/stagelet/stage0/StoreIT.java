package io.stagelet.stage0;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The store: what pulls leave in it, what removes it, and what damage does. Needs root. */
@Timeout(120)
class StoreIT {
  private static final byte[] LOWER =
      new TarBuilder()
          .directory("etc")
          .file("etc/one", "first")
          .file("big", "x".repeat(9000))
          .build();
  private static final byte[] UPPER =
      new TarBuilder().file("etc/two", "second").symlink("link", "etc/two").build();
  private static final byte[] OTHER = new TarBuilder().file("other", "third").build();

  @TempDir Path directory;
  private TestRegistry registry;
  private final List<ImageService> open = new ArrayList<>();
  private ImageService images;

  @BeforeEach
  void start() throws IOException {
    registry = new TestRegistry();
    images = service();
  }

  @AfterEach
  void stop() {
    open.forEach(ImageService::close);
    registry.close();
  }

  private ImageService service() {
    ImageService service =
        new ImageService(
            directory.resolve("store"),
            ImageSettings.defaults().withPinned(List.of("*/pinned/*")),
            Registries.of(RegistryEndpoints.named(Set.of())),
            Clock.systemUTC());
    open.add(service);
    return service;
  }

  private Image pull(ImageService service, String name, byte[]... layers) {
    return service.pull(
        new TestImage(List.of(layers)).push(registry, name, "1"),
        Credentials.none(),
        PullListener.NONE);
  }

  private Path layer(byte[] archive) {
    return directory.resolve("store/layers/sha256").resolve(Digest.of(archive).hex());
  }

  private long layersOnDisk() throws IOException {
    try (Stream<Path> layers = Files.list(directory.resolve("store/layers/sha256"))) {
      return layers.count();
    }
  }

  @Test
  void sharedLayersGoWithTheirLastImage() throws IOException {
    Image one = pull(images, "a/one", LOWER, UPPER);
    Image two = pull(images, "a/two", LOWER, OTHER);
    assertThat(layersOnDisk()).isEqualTo(3);

    images.remove(one.id().toString());
    assertThat(layersOnDisk()).isEqualTo(2);
    images.remove(two.id().toString());
    assertThat(layersOnDisk()).isZero();
    assertThat(images.usage().bytes()).isZero();
    assertThat(images.usage().inodes()).isZero();
  }

  @Test
  void theUsageIsWhatIsOnTheDisk() throws IOException {
    pull(images, "a/one", LOWER, UPPER);

    long inodes;
    try (Stream<Path> all = Files.walk(directory.resolve("store/layers/sha256"))) {
      inodes = all.count() - 1;
    }
    try (Stream<Path> all = Files.walk(directory.resolve("store/blobs/sha256"))) {
      inodes += all.count() - 1;
    }
    // the record; the marks of durability may still be to come
    assertThat(images.usage().inodes()).isBetween(inodes + 1, inodes + 3);
  }

  @Test
  void twoProgramsShareAStore() {
    ImageService command = service();
    Image image = pull(command, "a/one", LOWER, UPPER);

    assertThat(images.find(image.id().toString())).contains(image);
    assertThat(images.usage()).extracting(ImageFsUsage::bytes).isEqualTo(command.usage().bytes());

    assertThat(images.remove(image.id().toString())).isTrue();
    assertThat(command.list()).isEmpty();
    assertThat(pull(images, "a/one", LOWER, UPPER)).isEqualTo(image);
    assertThat(command.list()).containsExactly(image);
  }

  @Test
  void whatOneProgramIsPullingIsNotRemovedByAnother() throws Exception {
    ImageService command = service();
    Image there = pull(images, "a/one", LOWER);
    // the other layer is slow; meanwhile the image with the shared one goes
    ImageReference reference = new TestImage(List.of(LOWER, OTHER)).push(registry, "a/two", "1");
    var slow = new java.util.concurrent.CountDownLatch(1);
    var asked = new java.util.concurrent.CountDownLatch(1);
    registry.fault =
        exchange -> {
          if (exchange.getRequestURI().getPath().contains(Digest.of(TestImage.gzip(OTHER)).hex())) {
            asked.countDown();
            awaitQuietly(slow);
          }
          return false;
        };
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      Future<Image> pulled =
          threads.submit(() -> command.pull(reference, Credentials.none(), PullListener.NONE));
      asked.await();
      images.remove(there.id().toString());
      assertThat(layer(LOWER)).exists();
      slow.countDown();
      assertThat(command.find(pulled.get().id().toString())).isPresent();
    }
    assertThat(images.check(true, false)).isEmpty();
  }

  private static void awaitQuietly(java.util.concurrent.CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException end) {
      Thread.currentThread().interrupt();
    }
  }

  @Test
  void tenCallersAreOnePull() throws Exception {
    ImageReference reference = new TestImage(List.of(LOWER, UPPER)).push(registry, "a/one", "1");
    registry.fault =
        exchange -> {
          sleep(100);
          return false;
        };
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      Callable<Image> pull = () -> images.pull(reference, Credentials.none(), PullListener.NONE);
      List<Future<Image>> all = threads.invokeAll(java.util.Collections.nCopies(10, pull));
      for (Future<Image> one : all) {
        assertThat(one.get()).isEqualTo(all.getFirst().get());
      }
    }
    // manifest, configuration, two layers
    assertThat(registry.requests).hasSize(4);
  }

  private static void sleep(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException end) {
      Thread.currentThread().interrupt();
    }
  }

  @Test
  void aStoreWithoutDamageChecksClean() {
    pull(images, "a/one", LOWER, UPPER);
    assertThat(images.check(true, true)).isEmpty();
    assertThat(images.list()).hasSize(1);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"truncated", "missing", "other content", "extra", "no record", "no layer"})
  void damageIsFoundRemovedAndPulledAnew(String kind) throws IOException {
    Image image = pull(images, "a/one", LOWER, UPPER);
    Path file = layer(LOWER).resolve("diff/etc/one");
    switch (kind) {
      case "truncated" -> Files.write(file, new byte[0], StandardOpenOption.TRUNCATE_EXISTING);
      case "missing" -> Files.delete(file);
      case "other content" -> Files.writeString(file, "FIRST");
      case "extra" -> Files.writeString(file.resolveSibling("three"), "");
      case "no record" -> Files.delete(layer(LOWER).resolve("contents"));
      case "no layer" -> Files.move(layer(LOWER), directory.resolve("away"));
      default -> throw new IllegalArgumentException(kind);
    }

    assertThat(images.check(true, true)).isNotEmpty();
    assertThat(images.find(image.id().toString())).isEmpty();
    assertThat(images.check(true, false)).isEmpty();
    pull(images, "a/one", LOWER, UPPER);
    assertThat(images.check(true, false)).isEmpty();
    assertThat(Files.readString(layer(LOWER).resolve("diff/etc/one"))).isEqualTo("first");
  }

  @Test
  void aQuickCheckReadsNoContents() throws IOException {
    pull(images, "a/one", LOWER);
    Files.writeString(layer(LOWER).resolve("diff/etc/one"), "FIRST");

    assertThat(images.check(false, false)).isEmpty();
    assertThat(images.check(true, false)).singleElement().asString().contains("/etc/one");
  }

  @Test
  void aHalfWrittenRecordIsDroppedAndTheOthersStay() throws IOException {
    Image one = pull(images, "a/one", LOWER);
    Image two = pull(images, "a/two", UPPER);
    Path record = directory.resolve("store/images/" + one.id().config().hex() + ".json");
    Files.write(record, java.util.Arrays.copyOf(Files.readAllBytes(record), 20));

    assertThat(images.check(false, true)).singleElement().asString().contains("image record");
    assertThat(images.list()).containsExactly(two);
    assertThat(layersOnDisk()).isEqualTo(2);
    pull(images, "a/one", LOWER);
    assertThat(images.list()).hasSize(2);
  }

  @Test
  void aDamagedBlobIsFound() throws IOException {
    Image one = pull(images, "a/one", LOWER);
    Files.writeString(directory.resolve("store/blobs/sha256/" + one.id().config().hex()), "{}");

    assertThat(images.check(false, true)).isNotEmpty();
    assertThat(images.list()).isEmpty();
    pull(images, "a/one", LOWER);
    assertThat(images.check(true, false)).isEmpty();
  }

  @Test
  void layersOfAnotherBootThatTheDiskMayLackAreThrownAway() throws IOException {
    pull(images, "a/one", LOWER);
    images.close();
    open.clear();
    Files.deleteIfExists(layer(LOWER).resolve("durable"));
    Path record = layer(LOWER).resolve("layer.json");
    Files.writeString(
        record, Files.readString(record).replaceFirst("\"boot\":\"[^\"]+\"", "\"boot\":\"old\""));

    images = service();
    assertThat(images.list()).isEmpty();
    assertThat(layer(LOWER)).doesNotExist();
    pull(images, "a/one", LOWER);
    assertThat(images.check(true, false)).isEmpty();
  }

  @Test
  void whatADeadProgramLeftIsRemoved() throws IOException {
    Path dead = directory.resolve("store/sessions/dead");
    Files.createDirectories(dead.resolve("temp/half/diff"));
    Files.createDirectories(dead.resolve("pins"));
    Files.writeString(dead.resolve("lock"), "");
    Files.writeString(dead.resolve("temp/half/diff/file"), "x");

    ImageService other = service();
    assertThat(dead).doesNotExist();
    assertThat(other.list()).isEmpty();
  }

  @Test
  void pruningLeavesWhatIsPinnedNamedOrAskedToStay() {
    Image named = pull(images, "a/one", LOWER);
    Image pinned = pull(images, "pinned/two", UPPER);
    assertThat(pinned.pinned()).isTrue();
    assertThat(named.pinned()).isFalse();
    // the tag moves on, and leaves the first image without one
    Image next = pull(images, "a/one", OTHER);

    assertThat(images.prune(false)).extracting(Image::id).containsExactly(named.id());
    assertThat(images.prune(true)).extracting(Image::id).containsExactly(next.id());
    assertThat(images.list()).extracting(Image::id).containsExactly(pinned.id());
  }

  @Test
  void hostileLayersLeaveNothing() {
    Map<String, byte[]> layers =
        Map.of(
            "loop", new TarBuilder().symlink("a", "b").symlink("b", "a").file("a/x", "x").build(),
            "reserved", new TarBuilder().file(".wh...", "x").build(),
            "dangling", new TarBuilder().hardLink("a", "../../etc/passwd").build(),
            "cut", java.util.Arrays.copyOf(LOWER, 1000));
    layers.forEach((name, layer) -> {
      assertThatThrownBy(() -> pull(images, "bad/" + name, layer)).as(name).isNotNull();
    });
    assertThat(images.list()).isEmpty();
    assertThat(images.check(true, false)).isEmpty();
    assertThat(images.usage().bytes()).isZero();
  }

  @ParameterizedTest
  @ValueSource(strings = {"oci.tar", "docker.tar", "directory"})
  void whatIsExportedCanBeImportedWithTheSameFiles(String form) throws IOException {
    String longName = "d/" + "n".repeat(150) + "/" + "m".repeat(120);
    byte[] lower =
        new TarBuilder()
            .as(04755, 1000, 2000)
            .file("d/program", "x".repeat(5000))
            .hardLink("d/again", "d/program")
            .as(01777, 0, 0)
            .directory("tmp")
            .symlink("link", "t".repeat(200))
            .node('6', "pipe", 0, 0)
            .pax(Map.of("path", longName, "SCHILY.xattr.user.note", "v"))
            .file("x", "long")
            .pax(Map.of("mtime", "-5.25"))
            .file("old", "")
            .file("d/\u00e4\u00ff", "not UTF-8")
            .build();
    byte[] upper =
        new TarBuilder().file(".wh.old", "").file("d/.wh..wh..opq", "").file("d/new", "n").build();
    Image image = pull(images, "a/one", lower, upper);
    Path target = directory.resolve(form);
    if (form.equals("directory")) {
      Files.createDirectory(target);
    }

    images.exportTo(image, target, form.equals("docker.tar"));
    List<String> before = listing(image);
    images.remove(image.id().toString());
    List<Image> imported = images.importFrom(target, java.util.Optional.empty());

    assertThat(imported)
        .singleElement()
        .satisfies(one -> {
          assertThat(one.tags()).isEqualTo(image.tags());
          assertThat(listing(one)).isEqualTo(before);
        });
    assertThat(images.check(true, false)).isEmpty();
    assertThat(directory.resolve("store/sessions").toFile().listFiles()).hasSize(1);
  }

  /** All that archives tell of the files of all layers. */
  private List<String> listing(Image image) throws IOException {
    List<String> listing = new ArrayList<>();
    for (Digest layer : image.diffIds()) {
      Path files = directory.resolve("store/layers/sha256").resolve(layer.hex()).resolve("diff");
      io.stagelet.linux.TreeReader.read(
          files,
          (path, kind, attributes, content) -> {
            // what archives do not describe has the time of its unpacking
            boolean described =
                !path.isRoot()
                    && !path.raw().equals("d")
                    && !(kind instanceof io.stagelet.linux.TreeReader.Kind.Device);
            String text =
                kind instanceof io.stagelet.linux.TreeReader.Kind.File
                    ? new String(
                        java.nio.channels.Channels.newInputStream(content.open()).readAllBytes(),
                        java.nio.charset.StandardCharsets.UTF_8)
                    : "";
            listing.add(
                path.raw()
                    + " "
                    + kind
                    + " "
                    + Integer.toOctalString(attributes.mode())
                    + " "
                    + attributes.uid()
                    + " "
                    + attributes.gid()
                    + " "
                    + (described ? attributes.mtimeSeconds() + "." + attributes.mtimeNanos() : "")
                    + " "
                    + attributes.xattrs().keySet()
                    + " "
                    + text);
          });
    }
    return listing;
  }
}
