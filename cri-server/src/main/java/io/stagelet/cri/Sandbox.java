package io.stagelet.cri;

import io.stagelet.stage0.spi.SandboxId;
import io.stagelet.stage0.spi.SandboxPlan;
import io.stagelet.stage0.spi.Stage1;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A sandbox in memory. Its record and its containers change only under its lock; anyone may read
 * the record at any time.
 */
final class Sandbox {
  private final ReentrantLock lock = new ReentrantLock();
  private final Stage1 stage1;
  private volatile SandboxRecord record;

  Sandbox(SandboxRecord record, Stage1 stage1) {
    this.record = record;
    this.stage1 = stage1;
  }

  SandboxId id() {
    return record.plan().id();
  }

  SandboxPlan plan() {
    return record.plan();
  }

  SandboxRecord record() {
    return record;
  }

  Stage1 stage1() {
    return stage1;
  }

  /** To be called under the lock, after the record is on disk. */
  void become(SandboxRecord next) {
    record = next;
  }

  ReentrantLock lock() {
    return lock;
  }

  /** The unit to look at when something is wrong. */
  String unit() {
    return stage1.unitOf(plan());
  }
}
