package io.stagelet.cri.conformance;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.discovery.ClassNameFilter;
import org.junit.platform.engine.discovery.DiscoverySelectors;
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
 *   java -cp … io.stagelet.cri.conformance.ConformanceRun            all that has no tag
 *   java -cp … io.stagelet.cri.conformance.ConformanceRun enforced   what has this tag
 *   java -cp … io.stagelet.cri.conformance.ConformanceRun ExecSyncIT …   these classes
 * </pre>
 */
final class ConformanceRun {
  private ConformanceRun() {}

  public static void main(String[] arguments) {
    SummaryGeneratingListener summary = new SummaryGeneratingListener();
    LauncherFactory.create().execute(request(arguments), summary, new Told());
    TestExecutionSummary result = summary.getSummary();
    PrintWriter out = new PrintWriter(System.out, true, StandardCharsets.UTF_8);
    result.printFailuresTo(out, 100);
    result.printTo(out);
    out.flush();
    System.exit(result.getTotalFailureCount() == 0 && result.getTestsFoundCount() > 0 ? 0 : 1);
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
                : TagFilter.excludeTags(LimitsIT.ENFORCED, EveryControllerIT.TAG))
        .build();
  }

  /** A line for each test that is through, with the reason of one that was not run or failed. */
  private static final class Told implements TestExecutionListener {
    @Override
    public void executionSkipped(TestIdentifier test, String reason) {
      System.out.println("SKIPPED " + name(test) + ": " + reason);
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
      if (test.isTest() || result.getStatus() != TestExecutionResult.Status.SUCCESSFUL) {
        System.out.println(
            result.getStatus()
                + " "
                + name(test)
                + result.getThrowable().map(thrown -> ": " + thrown.getMessage()).orElse(""));
      }
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
