package io.stagelet.units;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class PendingJobTest {
  private final PendingJob job = new PendingJob(UnitName.of("a.service"), true);

  @Test
  void anEndThatComesAfterTheReplyIsTaken() {
    job.isCalled("/job/1");
    assertThat(job.result()).isNotDone();
    job.ended("/job/1", "done");
    assertThat(job.result()).isCompletedWithValue("done");
  }

  @Test
  void anEndThatOvertakesTheReplyIsTaken() {
    job.ended("/job/1", "failed");
    assertThat(job.result()).isNotDone();
    job.isCalled("/job/1");
    assertThat(job.result()).isCompletedWithValue("failed");
  }

  @Test
  void endsOfOtherJobsOnTheUnitAreNotTaken() {
    job.ended("/job/1", "done");
    job.isCalled("/job/2");
    job.ended("/job/3", "done");
    assertThat(job.result()).isNotDone();
    job.ended("/job/2", "canceled");
    assertThat(job.result()).isCompletedWithValue("canceled");
  }
}
