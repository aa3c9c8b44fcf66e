package io.stagelet.cri;

import io.stagelet.stage0.spi.ContainerId;
import io.stagelet.stage0.spi.ContainerPlan;
import io.stagelet.stage0.spi.Stage1;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A container in memory. Its record changes only under its sandbox's lock; anyone may read it at
 * any time.
 */
final class Container {
  private final Sandbox sandbox;
  private final CompletableFuture<ContainerRecord.Exited> ended = new CompletableFuture<>();
  private final AtomicBoolean askedToStop = new AtomicBoolean();
  private volatile boolean killed;
  private volatile ContainerRecord record;

  Container(ContainerRecord record, Sandbox sandbox) {
    this.record = record;
    this.sandbox = sandbox;
    if (record.life() instanceof ContainerRecord.Exited exited) {
      ended.complete(exited);
    }
  }

  ContainerId id() {
    return record.plan().id();
  }

  ContainerPlan plan() {
    return record.plan();
  }

  ContainerRecord record() {
    return record;
  }

  Sandbox sandbox() {
    return sandbox;
  }

  Stage1 stage1() {
    return sandbox.stage1();
  }

  /** To be called under the sandbox's lock, after the record is on disk. */
  void become(ContainerRecord next) {
    record = next;
    if (next.life() instanceof ContainerRecord.Exited exited) {
      ended.complete(exited);
    }
  }

  /** Completes when the container has ended and its end is on disk. */
  CompletableFuture<ContainerRecord.Exited> ended() {
    return ended;
  }

  /** True for the first who asks: the stop signal is sent once, however often kubelet calls. */
  boolean firstToAskItToStop() {
    return askedToStop.compareAndSet(false, true);
  }

  /** Whether this server has sent it a signal to end. */
  boolean wasSentSignal() {
    return killed || askedToStop.get();
  }

  /** Takes that back: the signal could not be sent. */
  void couldNotBeAsked() {
    askedToStop.set(false);
  }

  /** From now on its end is the server's doing. */
  void killing() {
    killed = true;
  }

  /** Whether the server has killed it. */
  boolean isKilled() {
    return killed;
  }

  /** The unit to look at when something is wrong. */
  String unit() {
    return stage1().unitOf(plan());
  }
}
