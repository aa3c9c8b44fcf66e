package io.stagelet.cri.conformance;

import io.stagelet.linux.CleanupStack;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * What all suites of one run share, made when the first of them asks: the registry with the test
 * images in it, the runtime, and the client. Ends with the run.
 */
final class ConformanceSession implements AutoCloseable {
  private final CleanupStack cleanup;
  private final TestImages images;
  private final RuntimeUnderTest runtime;
  private final CriClient cri;
  private final List<Handler> handlers;
  private final Set<String> pulled = ConcurrentHashMap.newKeySet();

  private ConformanceSession(
      CleanupStack cleanup, TestImages images, RuntimeUnderTest runtime, CriClient cri) {
    this.cleanup = cleanup;
    this.images = images;
    this.runtime = runtime;
    this.cri = cri;
    handlers = handlers(runtime);
  }

  /** The session of the run that {@code context} belongs to. */
  static ConformanceSession of(ExtensionContext context) {
    return context
        .getRoot()
        .getStore(ExtensionContext.Namespace.GLOBAL)
        .computeIfAbsent(
            ConformanceSession.class, key -> ConformanceSession.start(), ConformanceSession.class);
  }

  private static ConformanceSession start() {
    CleanupStack cleanup = new CleanupStack();
    try {
      TestRegistry registry = TestRegistry.start();
      cleanup.push("stop the registry", registry::close);
      TestImages images = new TestImages(registry, Path.of("/usr/bin/busybox"));
      String endpoint = System.getProperty("cri.endpoint", "");
      RuntimeUnderTest runtime =
          endpoint.isEmpty() ? StageletRuntime.start() : ForeignRuntime.at(endpoint, images);
      cleanup.push("stop the runtime", runtime::close);
      CriClient cri = new CriClient(runtime.socket());
      cleanup.push("close the connection", cri::close);
      cleanup.push("remove the images", () -> removeImages(cri, registry));
      return new ConformanceSession(cleanup, images, runtime, cri);
    } catch (RuntimeException failure) {
      try {
        cleanup.close();
      } catch (RuntimeException alsoFailed) {
        failure.addSuppressed(alsoFailed);
      }
      throw failure;
    }
  }

  private static void removeImages(CriClient cri, TestRegistry registry) {
    cri.listImages().stream()
        .filter(image ->
            Stream.concat(image.getRepoTagsList().stream(), image.getRepoDigestsList().stream())
                .anyMatch(name -> name.startsWith(registry.address() + "/")))
        .forEach(image -> cri.removeImage(image.getId()));
  }

  private static List<Handler> handlers(RuntimeUnderTest runtime) {
    String chosen = System.getProperty("cri.handler");
    return chosen == null
        ? runtime.handlers()
        : Arrays.stream(chosen.split(",")).map(Handler::new).toList();
  }

  RuntimeUnderTest runtime() {
    return runtime;
  }

  CriClient cri() {
    return cri;
  }

  TestImages images() {
    return images;
  }

  /** New ones for a suite, one for each handler. */
  Stream<NodeUnderTest> nodes(Class<?> suite) {
    boolean also =
        System.getProperty("cri.handler") == null
            && runtime instanceof StageletRuntime
            && suite.isAnnotationPresent(AlsoOnNspawn.class);
    boolean alone = also && suite.getAnnotation(AlsoOnNspawn.class).alone();
    return Stream.concat(
            alone ? Stream.of() : handlers.stream(), also ? Stream.of(Handler.NSPAWN) : Stream.of())
        .map(handler -> new NodeUnderTest(this, handler));
  }

  /** The tag of an image that is on the node: pulled now unless it has been. */
  String pulled(PushedImage image) {
    if (pulled.add(image.byTag())) {
      cri.pullImage(image.byTag());
    }
    return image.byTag();
  }

  @Override
  public void close() {
    cleanup.close();
  }
}
