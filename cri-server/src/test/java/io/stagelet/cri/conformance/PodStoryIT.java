package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.cri.v1.Mount;
import io.stagelet.linux.Command;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What the journal tells about a pod, also when it is gone. */
class PodStoryIT extends ConformanceSuite {
  PodStoryIT(NodeUnderTest node) {
    super(node);
  }

  @Test
  void theWholeLifeOfAPodIsOneTimeline() {
    notOnNspawn("the systemd in a machine tells only of what goes wrong");
    stageletOnly("the journal tells the whole story");
    TestPod pod = pods().run();
    TestContainer container =
        pod.container().shell("echo hello; echo oh no >&2; exit 3").runToItsEnd();
    pod.stop();
    pod.remove();

    List<String> story = stagelet("story", reference(pod));

    assertThat(story)
        .containsSubsequence(
            line(story, "stagelet:", "RunPodSandbox was asked for"),
            line(story, "systemd:", " pod-"),
            line(story, "stagelet:", "has joined the network"),
            line(story, "stagelet:", "is up as pod-"),
            line(story, "stagelet:", "CreateContainer was asked for"),
            line(story, "stagelet:", "is made"),
            line(story, "stagelet:", "StartContainer was asked for"),
            line(story, "systemd:", "Starting ctr-"));
    assertThat(story)
        .containsSubsequence(
            line(story, container.config().getMetadata().getName() + " stdout:", "hello"),
            line(story, "stagelet:", "has ended with exit code 3 (Error)"),
            line(story, "stagelet:", "StopPodSandbox was asked for"),
            line(story, "stagelet:", "has left the network"),
            line(story, "systemd:", "Stopped pod-"),
            line(story, "stagelet:", "RemovePodSandbox is done"));
    assertThat(line(story, "stderr:", "oh no")).isNotEmpty();
  }

  @Test
  void theOutputOfARemovedPodIsStillThere() {
    stageletOnly("the journal keeps output");
    TestPod pod = pods().run();
    pod.container().shell("seq 3; echo wrong >&2").runToItsEnd();
    pod.remove();

    assertThat(stagelet("logs", reference(pod), "--stream", "stdout"))
        .containsExactly("1", "2", "3");
    assertThat(stagelet("logs", pod.config().getMetadata().getUid(), "--stream", "stderr"))
        .containsExactly("wrong");
  }

  @Test
  void thePreviousRunOfAContainerCanBeRead() {
    stageletOnly("the journal keeps output");
    TestPod pod = pods().run();
    pod.container()
        .with(config -> config.getMetadataBuilder().setName("app"))
        .shell("echo one")
        .runToItsEnd()
        .remove();
    pod.container()
        .with(config -> config.getMetadataBuilder().setName("app").setAttempt(1))
        .shell("echo two")
        .runToItsEnd();

    assertThat(stagelet("logs", reference(pod), "app")).containsExactly("two");
    assertThat(stagelet("logs", reference(pod), "app", "--previous")).containsExactly("one");
  }

  @Test
  void aPullForAPodIsInItsStory() {
    stageletOnly("the journal tells the whole story");
    TestPod pod = pods().run();
    PushedImage image = images().unique().push();

    cri().pullImage(image.byTag(), pod.config());

    List<String> story = stagelet("story", reference(pod));
    assertThat(story)
        .containsSubsequence(
            line(story, "stagelet:", "PullImage was asked for"),
            line(story, "stagelet:", "pulling image", image.byTag()),
            line(story, "stagelet:", "image " + image.byTag(), "is pulled"),
            line(story, "stagelet:", "PullImage is done"));
  }

  @Test
  void whatTheRuntimeSaidOfAFailedStartIsInTheStory() {
    stageletOnly("the journal tells of failures");
    TestPod pod = pods().run();
    TestContainer container = pod.container().command("/no/such/command").create();
    String reason = String.valueOf(refusal(container::start).getDescription());

    assertThat(reason).contains("/no/such/command");
    assertThat(stagelet("story", reference(pod)))
        .anySatisfy(line -> assertThat(line).contains("StartContainer failed", "/no/such/command"));
  }

  @Test
  void aFailedCallIsInTheJournalWithItsReason() {
    stageletOnly("the journal tells of failures");
    TestPod pod = pods().run();
    String reason =
        String.valueOf(
            refusal(() ->
                    pod.container()
                        .with(config ->
                            config.addMounts(
                                Mount.newBuilder()
                                    .setHostPath("/proc/no/such/path")
                                    .setContainerPath("/mnt")))
                        .create())
                .getDescription());

    assertThat(stagelet("story", reference(pod)))
        .anySatisfy(line -> assertThat(line).contains("CreateContainer failed", reason));
  }

  @Test
  void anImageThatIsNotThereIsACallThatFailed() {
    stageletOnly("the journal tells of failures");
    TestPod pod = pods().run();
    PushedImage image = images().unique().push();
    String wrong = image.byTag() + "-not";

    String reason =
        String.valueOf(refusal(() -> cri().pullImage(wrong, pod.config())).getDescription());

    assertThat(stagelet("story", reference(pod)))
        .anySatisfy(line -> assertThat(line).contains("PullImage failed", wrong, reason));
  }

  @Test
  void whoEndedAContainerIsSaidWhereStageletWasNotAsked() {
    stageletOnly("the journal tells the whole story");
    TestPod pod = pods().run();
    TestContainer stopped = pod.container().idle().start();
    String seconds = NodeProcesses.markedSleep();
    TestContainer killed = pod.container().shell("exec sleep " + seconds).start();
    killed
        .awaitSleeping(seconds)
        .forEach(pid -> Command.of("kill", "-KILL", Long.toString(pid)).runChecked());
    killed.awaitEnd();
    stopped.stop(Duration.ZERO);
    stopped.awaitEnd();

    List<String> story = stagelet("story", reference(pod));

    assertThat(
            line(
                story,
                "container " + killed.config().getMetadata().getName() + " has ended",
                "(SIGKILL)"))
        .contains("this server did not send");
    assertThat(
            line(
                story,
                "container " + stopped.config().getMetadata().getName() + " has ended",
                "(SIGKILL)"))
        .doesNotContain("this server did not send");
  }

  private static String reference(TestPod pod) {
    return pod.config().getMetadata().getNamespace() + "/" + pod.config().getMetadata().getName();
  }

  /** The first line that has all these words. */
  private static String line(List<String> story, String... words) {
    return story.stream()
        .filter(line -> List.of(words).stream().allMatch(line::contains))
        .findFirst()
        .orElseThrow(() ->
            new AssertionError(
                "no line with %s in:%n%s".formatted(List.of(words), String.join("\n", story))));
  }

  private static List<String> stagelet(String... arguments) {
    return StageletCommand.run(arguments);
  }
}
