package io.stagelet.cri;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.Stage1;
import io.stagelet.stage0.spi.Stage1Host;
import io.stagelet.stage0.spi.Stage1Provider;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/**
 * The handlers of the configuration, each with its stage1. A handler whose stage1 cannot be opened
 * (its runtime is not installed, say) keeps the reason, and whoever asks for it gets it.
 */
final class Handlers implements AutoCloseable {
  /** The annotation by which a pod picks a handler among those that are allowed for it. */
  static final String ANNOTATION = "stagelet.io/stage1";

  private sealed interface Opened {}

  private record Ready(Stage1 stage1) implements Opened {}

  /** What runs with it is watched and ended by the observer, where there is one. */
  private record Refused(StageletException reason, Optional<Stage1> observer) implements Opened {}

  private final Map<String, Opened> handlers = new ConcurrentSkipListMap<>();
  private final Set<String> configured;
  private final List<Stage1Provider> providers;
  private final Stage1Host host;
  private final Path runDirectory;
  private volatile String defaultHandler;
  private volatile List<String> allowedByAnnotation;

  /** Opens the stage1 of each configured handler. */
  Handlers(Configuration configuration, Iterable<Stage1Provider> providers, Stage1Host host) {
    this.defaultHandler = configuration.defaultHandler();
    this.configured = new TreeSet<>(configuration.handlers().keySet());
    this.providers = StreamSupport.stream(providers.spliterator(), false).toList();
    this.host = host;
    this.runDirectory = configuration.runDirectory();
    this.allowedByAnnotation = allowedByAnnotation(configuration);
    Map<String, Ahead<Opened>> opening = new TreeMap<>();
    configuration
        .handlers()
        .forEach((name, handler) ->
            opening.put(
                name,
                Ahead.of(
                    "handler " + name,
                    () -> open(name, handler, this.providers, host, runDirectory))));
    opening.forEach((name, opened) -> handlers.put(name, opened.get()));
  }

  private static List<String> allowedByAnnotation(Configuration configuration) {
    return configuration.handlers().entrySet().stream()
        .filter(entry -> entry.getValue().annotation())
        .map(Map.Entry::getKey)
        .sorted()
        .toList();
  }

  /** From now on pods pick among the handlers that there are as this says. */
  void use(Configuration configuration) {
    defaultHandler = configuration.defaultHandler();
    allowedByAnnotation = allowedByAnnotation(configuration);
  }

  private static Opened open(
      String name,
      Configuration.Handler handler,
      List<Stage1Provider> providers,
      Stage1Host host,
      Path runDirectory) {
    for (Stage1Provider provider : providers) {
      if (provider.name().equals(handler.stage1())) {
        try {
          return new Ready(
              provider.open(name, handler.options(), host, directory(runDirectory, name)));
        } catch (StageletException failure) {
          return new Refused(
              failure,
              provider.observer(
                  name, handler.options(), host, directory(runDirectory, name), failure));
        }
      }
    }
    return new Refused(
        new StageletException(
            ErrorCode.UNIMPLEMENTED,
            "handler '%s': there is no stage1 '%s' in this build"
                .formatted(name, handler.stage1())),
        Optional.empty());
  }

  private static Path directory(Path runDirectory, String handler) {
    return runDirectory.resolve("handlers").resolve(handler);
  }

  /**
   * The stage1 of a sandbox that is there already: the handler's own, or one that only watches and
   * ends it while the handler cannot be used or is not in the configuration any more.
   *
   * @throws StageletException why nothing can be done with it
   */
  Stage1 ofExisting(String handler) {
    Opened opened =
        handlers.computeIfAbsent(
            handler,
            name -> {
              StageletException reason = unknown(name);
              return new Refused(
                  reason,
                  providers.stream()
                      .flatMap(provider ->
                          provider
                              .observer(name, Map.of(), host, directory(runDirectory, name), reason)
                              .stream())
                      .findFirst());
            });
    return switch (opened) {
      case Ready(Stage1 stage1) -> stage1;
      case Refused(StageletException reason, Optional<Stage1> observer) ->
          observer.orElseThrow(() -> reason);
    };
  }

  private StageletException unknown(String handler) {
    return new StageletException(
        ErrorCode.FAILED_PRECONDITION,
        "handler '%s' is not in the configuration any more; it has %s"
            .formatted(handler, configured));
  }

  /**
   * The name of the handler for a pod: the annotation when there is one, else what kubelet says.
   *
   * @throws StageletException when there is no such handler, or the annotation names one that it
   *     may not
   */
  String choose(SandboxRequest request) {
    String annotated = request.annotations().get(ANNOTATION);
    if (annotated != null) {
      if (!allowedByAnnotation.contains(annotated)) {
        throw new StageletException(
            ErrorCode.PERMISSION_DENIED,
            "the annotation %s asks for handler '%s', which may not be picked by annotation; those that may: %s"
                .formatted(ANNOTATION, annotated, allowedByAnnotation));
      }
      return annotated;
    }
    String name = request.runtimeHandler().isEmpty() ? defaultHandler : request.runtimeHandler();
    if (!configured.contains(name)) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "there is no handler '%s'; the configuration has %s".formatted(name, configured));
    }
    return name;
  }

  /**
   * The stage1 of a handler.
   *
   * @throws StageletException why it cannot be used
   */
  Stage1 stage1(String handler) {
    return switch (handlers.get(handler)) {
      case Ready(Stage1 stage1) -> stage1;
      case Refused(StageletException reason, _) ->
          throw new StageletException(
              reason.code(),
              "handler '%s' cannot be used: %s"
                  .formatted(handler, StageletException.reason(reason)),
              reason);
      case null -> throw unknown(handler);
    };
  }

  /** Every handler that can be used, by name. */
  Map<String, Stage1> usable() {
    return handlers.entrySet().stream()
        .filter(entry -> entry.getValue() instanceof Ready)
        .collect(
            Collectors.toMap(
                Map.Entry::getKey,
                entry -> ((Ready) entry.getValue()).stage1(),
                (a, b) -> a,
                TreeMap::new));
  }

  /** Every stage1 that there is: those that can be used, and those that only watch. */
  List<Stage1> all() {
    return handlers.values().stream()
        .flatMap(opened ->
            switch (opened) {
              case Ready(Stage1 stage1) -> Stream.of(stage1);
              case Refused(_, Optional<Stage1> observer) -> observer.stream();
            })
        .toList();
  }

  /** Why a handler cannot be used, by name. */
  Map<String, String> refused() {
    return handlers.entrySet().stream()
        .filter(entry -> entry.getValue() instanceof Refused)
        .collect(
            Collectors.toMap(
                Map.Entry::getKey,
                entry -> StageletException.reason(((Refused) entry.getValue()).reason()),
                (a, b) -> a,
                TreeMap::new));
  }

  /** The name of the default handler. */
  String defaultHandler() {
    return defaultHandler;
  }

  @Override
  public void close() {
    all().forEach(Stage1::close);
  }
}
