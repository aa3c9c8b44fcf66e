package io.stagelet.journal;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class EntryBudgetTest {
  private static final long SECOND = 1_000_000_000L;
  private static final int FULL_QUEUE = 1 << 20;

  private final EntryBudget budget = new EntryBudget();

  private int spendAll() {
    int spent = 0;
    while (!budget.exhausted()) {
      budget.spend();
      spent++;
    }
    return spent;
  }

  @Test
  void aBurstGetsAnEntryForEachLineAndThenWhatTimeEarns() {
    budget.refill(0, 0);
    assertThat(spendAll()).isEqualTo(2_000);
    budget.refill(SECOND / 100, 0);
    assertThat(spendAll()).isEqualTo(100);
    budget.refill(10 * SECOND, 0);
    assertThat(spendAll()).as("no more than a burst is saved up").isEqualTo(2_000);
  }

  @Test
  void earnsNothingFromTheFullQueueUntilItIsNearlyEmpty() {
    budget.refill(0, 0);
    budget.exhaust();
    budget.refill(SECOND, FULL_QUEUE);
    assertThat(budget.exhausted()).isTrue();
    budget.refill(2 * SECOND, 1_000);
    assertThat(budget.exhausted()).as("the time before does not count").isTrue();
    budget.refill(2 * SECOND + SECOND / 100, 1_000);
    assertThat(spendAll()).isEqualTo(100);
  }

  @Test
  void aQueueThatFillsAndWasNeverFullChangesNothing() {
    budget.refill(0, 0);
    assertThat(spendAll()).isEqualTo(2_000);
    budget.refill(SECOND / 100, FULL_QUEUE);
    assertThat(spendAll()).isEqualTo(100);
  }
}
