package io.stagelet.cri.conformance;

import static java.util.Objects.requireNonNullElse;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.platform.engine.DiscoverySelector;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.discovery.ClassNameFilter;
import org.junit.platform.engine.discovery.DiscoverySelectors;
import org.junit.platform.engine.support.descriptor.ClassSource;
import org.junit.platform.engine.support.descriptor.MethodSource;
import org.junit.platform.launcher.LauncherDiscoveryRequest;
import org.junit.platform.launcher.TagFilter;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;
import org.junit.platform.launcher.listeners.TestExecutionSummary;

/**
 * Runs this suite, or a part of it, without Maven: in a machine of kind uml, which has no network
 * and no pipes to a test runner outside.
 *
 * <pre>
 *   java -cp … io.stagelet.cri.conformance.ConformanceRun            all that this kind of machine can show
 *   java -cp … io.stagelet.cri.conformance.ConformanceRun enforced   what has this tag
 *   java -cp … io.stagelet.cri.conformance.ConformanceRun ExecSyncIT …   these classes
 * </pre>
 *
 * <p>With {@code -Dconformance.again=N} what failed is run again, N times at most, and counted as a
 * flake when it passes then.
 */
final class ConformanceRun {
  private static final PrintWriter OUT = new PrintWriter(System.out, true, StandardCharsets.UTF_8);

  private ConformanceRun() {}

  public static void main(String[] arguments) {
    Told first = new Told();
    TestExecutionSummary result = execute(request(arguments), first);
    long failures = result.getTotalFailureCount();
    boolean ran = result.getTestsFoundCount() > 0;
    Told last = first;
    int tries = Integer.getInteger("conformance.again", 0);
    for (int i = 0; i < tries && failures > 0; i++) {
      List<DiscoverySelector> failed = List.copyOf(last.failed());
      OUT.println("Once more, what failed: " + failed);
      last = new Told();
      TestExecutionSummary again =
          execute(LauncherDiscoveryRequestBuilder.request().selectors(failed).build(), last);
      ran = again.getTestsFoundCount() > 0;
      failures = again.getTotalFailureCount();
    }
    first.tellTheLongest();
    OUT.printf(
        "Tests run: %d, Failures: %d, Errors: 0, Skipped: %d, Flakes: %d%n",
        result.getTestsStartedCount() + result.getTestsSkippedCount(),
        failures,
        result.getTestsSkippedCount() + result.getTestsAbortedCount(),
        Math.max(0, result.getTotalFailureCount() - failures));
    System.exit(ran && failures == 0 ? 0 : 1);
  }

  private static TestExecutionSummary execute(LauncherDiscoveryRequest request, Told told) {
    SummaryGeneratingListener summary = new SummaryGeneratingListener();
    LauncherFactory.create().execute(request, summary, told);
    TestExecutionSummary result = summary.getSummary();
    result.printFailuresTo(OUT, 100);
    result.printTo(OUT);
    OUT.flush();
    return result;
  }

  private static LauncherDiscoveryRequest request(String[] arguments) {
    LauncherDiscoveryRequestBuilder request = LauncherDiscoveryRequestBuilder.request();
    String here = ConformanceRun.class.getPackageName();
    boolean tagged = arguments.length == 1 && !arguments[0].endsWith("IT");
    if (arguments.length > 0 && !tagged) {
      return request
          .selectors(
              Arrays.stream(arguments)
                  .map(name -> DiscoverySelectors.selectClass(here + "." + name))
                  .toList())
          .build();
    }
    return request
        .selectors(DiscoverySelectors.selectPackage(here))
        .filters(
            ClassNameFilter.includeClassNamePatterns(".*IT"),
            tagged
                ? TagFilter.includeTags(arguments[0])
                : TagFilter.excludeTags(EveryControllerIT.TAG))
        .build();
  }

  /** A line for each test that is through, with the reason of one that was not run or failed. */
  private static final class Told implements TestExecutionListener {
    private static final int LONGEST = 25;

    private final Map<String, Instant> begun = new ConcurrentHashMap<>();
    private final Map<String, Duration> took = new ConcurrentHashMap<>();
    private final Set<DiscoverySelector> failed = new LinkedHashSet<>();

    @Override
    public void executionSkipped(TestIdentifier test, String reason) {
      OUT.println("SKIPPED " + name(test) + ": " + reason);
    }

    @Override
    public void executionStarted(TestIdentifier test) {
      begun.put(test.getUniqueId(), Instant.now());
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
      Duration took = Duration.between(begun.get(test.getUniqueId()), Instant.now());
      if (test.getSource().orElse(null) instanceof ClassSource of) {
        this.took.merge(
            of.getJavaClass().getSimpleName(), took, (a, b) -> a.compareTo(b) > 0 ? a : b);
      }
      if (test.isTest() || result.getStatus() != TestExecutionResult.Status.SUCCESSFUL) {
        OUT.printf(
            "%s %s, %.1f s%s%n",
            result.getStatus(),
            name(test),
            took.toMillis() / 1000.0,
            result.getThrowable().map(thrown -> ": " + thrown.getMessage()).orElse(""));
      }
      if (result.getStatus() == TestExecutionResult.Status.FAILED) {
        selector(test).ifPresent(failed::add);
      }
    }

    /** What failed, to be run again: methods, and classes that left something behind. */
    Set<DiscoverySelector> failed() {
      return failed;
    }

    private static Optional<DiscoverySelector> selector(TestIdentifier test) {
      return test.getSource()
          .flatMap(source ->
              switch (source) {
                case MethodSource of ->
                    Optional.of(
                        DiscoverySelectors.selectMethod(
                            of.getClassName(),
                            of.getMethodName(),
                            requireNonNullElse(of.getMethodParameterTypes(), "")));
                case ClassSource of ->
                    Optional.of(DiscoverySelectors.selectClass(of.getClassName()));
                default -> Optional.empty();
              });
    }

    void tellTheLongest() {
      OUT.println("What took longest, by suite:");
      took.entrySet().stream()
          .sorted(Map.Entry.<String, Duration>comparingByValue().reversed())
          .limit(LONGEST)
          .forEach(entry -> OUT.printf("%6d s %s%n", entry.getValue().toSeconds(), entry.getKey()));
    }

    private static String name(TestIdentifier test) {
      return test.getUniqueId()
              .replaceAll(
                  "\\[(engine|class-template-invocation|test-template-invocation):[^]]*]/?", "")
          + " "
          + test.getDisplayName();
    }
  }
}
