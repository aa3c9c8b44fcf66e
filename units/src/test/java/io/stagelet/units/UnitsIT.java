package io.stagelet.units;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.stagelet.linux.Command;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Starts, ends and states of units, with the systemd of the machine. */
class UnitsIT {
  private static final Duration SOON = Duration.ofSeconds(20);
  private static final Set<String> AT_REST = Set.of("exited", "failed", "dead");
  private static Units units;

  private final List<UnitName> made = new ArrayList<>();

  @TempDir Path directory;

  @BeforeAll
  static void connect() {
    units = Units.connect();
  }

  @AfterAll
  static void disconnect() {
    units.close();
  }

  @AfterEach
  void removeUnits() {
    for (UnitName unit : made) {
      units.stop(unit, SOON);
      units.resetFailed(unit);
    }
  }

  @Test
  void aPodsUnitStaysActiveWithoutAnyProcessUntilItIsStopped() {
    UnitName pod = name("pod");
    Path stopped = directory.resolve("stopped");
    units.start(
        TransientUnit.service(pod)
            .description("Pod default/web")
            .type(ServiceType.ONESHOT)
            .remainAfterExit(true)
            .execStop(List.of("/usr/bin/touch", stopped.toString()), false)
            .build(),
        SOON);
    UnitStatus status = units.status(pod).orElseThrow();
    assertThat(status.description()).isEqualTo("Pod default/web");
    assertThat(status.loadState()).isEqualTo(LoadState.LOADED);
    assertThat(status.activeState()).isEqualTo(ActiveState.ACTIVE);
    assertThat(status.subState()).isEqualTo("exited");
    assertThat(status.result()).isEqualTo(ServiceResult.SUCCESS);
    assertThat(status.mainPid()).isZero();
    assertThat(status.execMainCode()).isEqualTo(MainExitCode.NONE);
    assertThat(status.invocationId()).matches("[0-9a-f]{32}");
    units.stop(pod, SOON);
    assertThat(stopped).exists();
    assertThat(units.status(pod)).isEmpty();
  }

  @Test
  void aRunningServiceTellsItsProcessAndItsCgroup() throws Exception {
    UnitName unit = name("ctr");
    Instant before = Instant.now().minusSeconds(1);
    units.start(shell(unit, "exec sleep 1000").build(), SOON);
    UnitStatus status = units.status(unit).orElseThrow();
    assertThat(status.activeState()).isEqualTo(ActiveState.ACTIVE);
    assertThat(status.mainPid()).isPositive().isEqualTo(status.execMainPid());
    assertThat(status.execMainStart()).isBetween(before, Instant.now().plusSeconds(1));
    assertThat(status.execMainExit()).isNull();
    assertThat(status.controlGroup()).isEqualTo("/system.slice/" + unit);
    assertThat(Files.readString(Path.of("/proc/" + status.mainPid() + "/cgroup")))
        .contains(unit.value());
  }

  @Test
  void theExitCodeOfAServiceThatRemainsCanBeRead() {
    UnitName unit = name("ctr");
    Path go = fifo("go");
    units.start(shell(unit, "read line < " + go + "; exit 0").remainAfterExit(true).build(), SOON);
    write(go);
    UnitStatus status = awaitEnd(unit);
    assertThat(status.activeState()).isEqualTo(ActiveState.ACTIVE);
    assertThat(status.subState()).isEqualTo("exited");
    assertThat(status.execMainCode()).isEqualTo(MainExitCode.EXITED);
    assertThat(status.main().exitCode()).isZero();
    assertThat(status.execMainExit()).isAfterOrEqualTo(status.execMainStart());
  }

  @Test
  void aBadExitCodeMakesTheUnitFailUntilItIsReset() {
    UnitName unit = name("ctr");
    units.start(shell(unit, "sleep 0.1; exit 42").remainAfterExit(true).build(), SOON);
    UnitStatus status = awaitEnd(unit);
    assertThat(status.activeState()).isEqualTo(ActiveState.FAILED);
    assertThat(status.result()).isEqualTo(ServiceResult.EXIT_CODE);
    assertThat(status.execMainStatus()).isEqualTo(42);
    units.resetFailed(unit);
    Awaitility.await().until(() -> units.status(unit).isEmpty());
  }

  @Test
  void aSignalIsToldByItsNumber() {
    UnitName unit = name("ctr");
    units.start(shell(unit, "exec sleep 1000").remainAfterExit(true).build(), SOON);
    units.kill(unit, KillWho.MAIN, 9);
    UnitStatus status = awaitEnd(unit);
    assertThat(status.result()).isEqualTo(ServiceResult.SIGNAL);
    assertThat(status.execMainCode()).isEqualTo(MainExitCode.KILLED);
    assertThat(status.execMainStatus()).isEqualTo(9);
    assertThat(status.main().exitCode()).isEqualTo(137);
  }

  @Test
  void aProgramThatDoesNotExistFailsTheStartAtOnceWithTheReason() {
    UnitName unit = name("ctr");
    long begin = System.nanoTime();
    UnitException failure =
        catchThrowableOfType(
            UnitException.class,
            () ->
                units.start(
                    TransientUnit.service(unit)
                        .type(ServiceType.EXEC)
                        .execStart(List.of("/nonexistent/program"), false)
                        .build(),
                    SOON));
    assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(5));
    assertThat(failure.unit()).isEqualTo(unit);
    assertThat(failure.jobResult()).isEqualTo("failed");
    UnitStatus status = failure.status().orElseThrow();
    assertThat(status.activeState()).isEqualTo(ActiveState.FAILED);
    assertThat(status.result()).isEqualTo(ServiceResult.EXIT_CODE);
    assertThat(status.execMainStatus()).isEqualTo(203);
    assertThat(failure).hasMessageContainingAll(unit.value(), "exit-code", "203", "journalctl -u");
  }

  @Test
  void aFailingStartCommandFailsTheStartAtOnce() {
    UnitName unit = name("ctr");
    UnitException failure =
        catchThrowableOfType(
            UnitException.class,
            () ->
                units.start(
                    TransientUnit.service(unit)
                        .type(ServiceType.ONESHOT)
                        .execStart(List.of("/bin/sh", "-c", "exit 3"), false)
                        .build(),
                    SOON));
    assertThat(failure.code()).isEqualTo(ErrorCode.INTERNAL);
    assertThat(failure.status().orElseThrow().execMainStatus()).isEqualTo(3);
  }

  @Test
  void aFailureThatIsToBeIgnoredIsIgnored() {
    UnitName unit = name("ctr");
    units.start(
        shell(unit, "exec sleep 1000")
            .execStartPre(List.of("/bin/false"), true)
            .execStartPost(List.of("/bin/false"), true)
            .build(),
        SOON);
    assertThat(units.status(unit).orElseThrow().subState()).isEqualTo("running");
  }

  @Test
  void aStartThatTakesLongerThanTheCallerWaitsSaysWhereItIs() {
    UnitName unit = name("ctr");
    UnitException failure =
        catchThrowableOfType(
            UnitException.class,
            () ->
                units.start(
                    shell(unit, "exec sleep 1000")
                        .execStartPre(List.of("/bin/sleep", "1000"), false)
                        .build(),
                    Duration.ofMillis(300)));
    assertThat(failure.code()).isEqualTo(ErrorCode.DEADLINE_EXCEEDED);
    assertThat(failure.jobResult()).isEqualTo(UnitException.STILL_RUNNING);
    assertThat(failure).hasMessageContaining("activating/start-pre");
  }

  @Test
  void theUnitsOwnStartTimeoutIsTheJobsResult() {
    UnitName unit = name("ctr");
    assertThatThrownBy(() ->
            units.start(
                shell(unit, "exec sleep 1000")
                    .execStartPre(List.of("/bin/sleep", "1000"), false)
                    .timeoutStart(Duration.ofMillis(200))
                    .build(),
                SOON))
        .isInstanceOfSatisfying(
            UnitException.class,
            failure ->
                assertThat(failure.status().orElseThrow().result())
                    .isEqualTo(ServiceResult.TIMEOUT));
  }

  @Test
  void aStopEndsAStartThatIsUnderWay() throws Exception {
    UnitName unit = name("ctr");
    try (var executor = Executors.newVirtualThreadPerTaskExecutor()) {
      Future<UnitException> start =
          executor.submit(() ->
              catchThrowableOfType(
                  UnitException.class,
                  () ->
                      units.start(
                          shell(unit, "exec sleep 1000")
                              .execStartPre(List.of("/bin/sleep", "1000"), false)
                              .build(),
                          SOON)));
      Awaitility.await()
          .until(() ->
              units
                  .status(unit)
                  .filter(status -> status.subState().equals("start-pre"))
                  .isPresent());
      units.stop(unit, SOON);
      assertThat(start.get().code()).isEqualTo(ErrorCode.CANCELLED);
    }
  }

  @Test
  void aBoundUnitIsStoppedWithTheOneItIsBoundTo() {
    UnitName pod = name("pod");
    UnitName container = name("ctr");
    units.start(pod(pod).build(), SOON);
    units.start(shell(container, "exec sleep 1000").bindsTo(pod).after(pod).build(), SOON);
    units.stop(pod, SOON);
    assertThat(units.status(container)).isEmpty();
  }

  @Test
  void aUnitWhoseDependencyIsMissingDoesNotStart() {
    UnitName container = name("ctr");
    UnitName absent = UnitName.of("pod-absent-" + UUID.randomUUID() + ".service");
    assertThatThrownBy(() ->
            units.start(
                shell(container, "exec sleep 1000").bindsTo(absent).after(absent).build(), SOON))
        .isInstanceOf(StageletException.class)
        .hasMessageContaining(absent.value());
  }

  @Test
  void aNameThatIsTakenIsSaidSo() {
    UnitName unit = name("ctr");
    units.start(shell(unit, "exec sleep 1000").build(), SOON);
    assertThatThrownBy(() -> units.start(shell(unit, "exec sleep 1000").build(), SOON))
        .isInstanceOfSatisfying(
            StageletException.class,
            failure -> assertThat(failure.code()).isEqualTo(ErrorCode.ALREADY_EXISTS))
        .hasMessageContaining(unit.value());
  }

  @Test
  void unknownUnitsAreFineToStopAndResetAndNotToKill() {
    UnitName absent = UnitName.of("ctr-absent-" + UUID.randomUUID() + ".service");
    units.stop(absent, SOON);
    units.resetFailed(absent);
    assertThat(units.status(absent)).isEmpty();
    assertThatThrownBy(() -> units.kill(absent, KillWho.ALL, 15))
        .isInstanceOfSatisfying(
            StageletException.class,
            failure -> assertThat(failure.code()).isEqualTo(ErrorCode.NOT_FOUND));
    assertThatThrownBy(() -> units.setProperties(absent, List.of(UnitProperty.tasksMax(5))))
        .isInstanceOfSatisfying(
            StageletException.class,
            failure -> assertThat(failure.code()).isEqualTo(ErrorCode.NOT_FOUND));
  }

  @Test
  void argumentsReachTheProgramAsTheyAreAlsoAfterADaemonReload() throws Exception {
    UnitName unit = name("ctr");
    Path out = directory.resolve("arguments");
    List<String> odd =
        List.of(
            "$HOME",
            "${HOME}",
            "%n %%",
            "a b",
            "\"quoted\"",
            "it's",
            "back\\slash\\n",
            ";",
            "",
            "é\u00a0\n\tx");
    List<String> argv =
        new ArrayList<>(List.of("/bin/sh", "-c", "printf '<%s>' \"$@\" >> " + out, "sh"));
    argv.addAll(odd);
    units.start(
        TransientUnit.service(unit)
            .type(ServiceType.ONESHOT)
            .remainAfterExit(true)
            .execStart(argv, false)
            .execStop(argv, false)
            .build(),
        SOON);
    String once = "<" + String.join("><", odd) + ">";
    assertThat(Files.readString(out)).isEqualTo(once);
    Command.of("systemctl", "daemon-reload").runChecked();
    units.stop(unit, SOON);
    assertThat(Files.readString(out)).isEqualTo(once + once);
  }

  @Test
  void everyPropertyOfTheBuilderIsTakenBySystemd() throws Exception {
    UnitName slice =
        UnitName.of("stagelettest" + UUID.randomUUID().toString().replace("-", "") + ".slice");
    made.add(slice);
    units.start(
        TransientUnit.slice(slice)
            .description("A slice")
            .defaultDependencies(false)
            .with(UnitProperty.memoryMax(1L << 30))
            .build(),
        SOON);
    UnitName other = name("pod");
    units.start(pod(other).build(), SOON);
    UnitName unit = name("ctr");
    Path in = Files.writeString(directory.resolve("in"), "from the file\n");
    Path out = directory.resolve("out");
    Path err = directory.resolve("err");
    Path pid = directory.resolve("pid");
    units.start(
        TransientUnit.service(unit)
            .description("Everything")
            .slice(slice)
            .bindsTo(other)
            .after(other)
            .before(UnitName.of("shutdown.target"))
            .requires(other)
            .wants(other)
            .partOf(other)
            .conflicts(UnitName.of("shutdown.target"))
            .defaultDependencies(false)
            .collectMode(CollectMode.INACTIVE)
            .type(ServiceType.FORKING)
            .execStartPre(List.of("/bin/true"), false)
            .execStart(
                List.of(
                    "/bin/sh",
                    "-c",
                    "cat; echo \"$COLOUR $PWD\"; echo bad >&2; sleep 1000 & echo $! > " + pid),
                false)
            .execStartPost(List.of("/bin/true"), false)
            .execStop(List.of("/bin/true"), true)
            .execStopPost(List.of("/bin/true"), true)
            .pidFile(pid)
            .guessMainPid(false)
            .remainAfterExit(true)
            .restart(RestartPolicy.NO)
            .delegate(true)
            .delegateSubgroup("inner")
            .killMode(KillMode.MIXED)
            .killSignal(10)
            .finalKillSignal(9)
            .sendSigkill(true)
            .timeoutStart(TransientUnit.INFINITE)
            .timeoutStop(Duration.ofSeconds(25))
            .notifyAccess(NotifyAccess.ALL)
            .fileDescriptorStoreMax(7)
            .standardInputFile(in)
            .standardOutputFile(out)
            .standardErrorFile(err)
            .environment(Map.of("COLOUR", "deep blue $x \"q\""))
            .workingDirectory(Path.of("/usr"))
            .oomPolicy(OomPolicy.KILL)
            .oomScoreAdjust(123)
            .with(
                List.of(
                    UnitProperty.memoryMax(64 << 20),
                    UnitProperty.memoryHigh(UnitProperty.INFINITY),
                    UnitProperty.memoryLow(1 << 20),
                    UnitProperty.memoryMin(0),
                    UnitProperty.memorySwapMax(0),
                    UnitProperty.memoryZswapMax(UnitProperty.INFINITY),
                    UnitProperty.cpuWeight(79),
                    UnitProperty.cpuQuotaPerSecUSec(500_000),
                    UnitProperty.cpuQuotaPeriodUSec(50_000),
                    UnitProperty.allowedCpus("0"),
                    UnitProperty.allowedMemoryNodes("0"),
                    UnitProperty.tasksMax(99),
                    UnitProperty.ioWeight(200),
                    UnitProperty.ioReadBandwidthMax(
                        List.of(new UnitProperty.DeviceNumber(Path.of("/dev/null"), 1_000_000))),
                    UnitProperty.devicePolicy(DevicePolicy.CLOSED),
                    UnitProperty.deviceAllow(
                        List.of(
                            new UnitProperty.DeviceRule("/dev/null", "rwm"),
                            new UnitProperty.DeviceRule("char-pts", "rw")))))
            .build(),
        SOON);
    assertThat(Files.readString(out)).isEqualTo("from the file\ndeep blue $x \"q\" /usr\n");
    assertThat(Files.readString(err)).isEqualTo("bad\n");
    UnitStatus status = units.status(unit).orElseThrow();
    assertThat(status.mainPid()).isEqualTo(Integer.parseInt(Files.readString(pid).strip()));
    assertThat(status.controlGroup()).isEqualTo("/" + slice + "/" + unit);
    assertThat(show(unit))
        .containsEntry("Slice", slice.value())
        .containsEntry("BindsTo", other.value())
        .containsEntry("DefaultDependencies", "no")
        .containsEntry("Delegate", "yes")
        .containsEntry("DelegateSubgroup", "inner")
        .containsEntry("KillMode", "mixed")
        .containsEntry("KillSignal", "10")
        .containsEntry("TimeoutStartUSec", "infinity")
        .containsEntry("TimeoutStopUSec", "25s")
        .containsEntry("NotifyAccess", "all")
        .containsEntry("FileDescriptorStoreMax", "7")
        .containsEntry("OOMPolicy", "kill")
        .containsEntry("OOMScoreAdjust", "123")
        .containsEntry("MemoryMax", Long.toString(64 << 20))
        .containsEntry("MemoryHigh", "infinity")
        .containsEntry("MemorySwapMax", "0")
        .containsEntry("CPUWeight", "79")
        .containsEntry("CPUQuotaPerSecUSec", "500ms")
        .containsEntry("CPUQuotaPeriodUSec", "50ms")
        .containsEntry("AllowedCPUs", "0")
        .containsEntry("AllowedMemoryNodes", "0")
        .containsEntry("TasksMax", "99")
        .containsEntry("IOWeight", "200")
        .containsEntry("DevicePolicy", "closed");
  }

  @Test
  void changedPropertiesAreVisibleAndTheOthersStay() {
    UnitName unit = name("ctr");
    units.start(
        shell(unit, "exec sleep 1000")
            .with(List.of(UnitProperty.memoryMax(64 << 20), UnitProperty.tasksMax(50)))
            .build(),
        SOON);
    units.setProperties(
        unit,
        List.of(
            UnitProperty.description("changed"),
            UnitProperty.memoryMax(128 << 20),
            UnitProperty.cpuWeight(200),
            UnitProperty.allowedCpus("0-3,5")));
    assertThat(show(unit))
        .containsEntry("Description", "changed")
        .containsEntry("MemoryMax", Long.toString(128 << 20))
        .containsEntry("CPUWeight", "200")
        .containsEntry("AllowedCPUs", "0-3 5")
        .containsEntry("TasksMax", "50");
    units.setProperties(
        unit, List.of(UnitProperty.memoryMax(UnitProperty.INFINITY), UnitProperty.allowedCpus("")));
    assertThat(show(unit)).containsEntry("MemoryMax", "infinity").doesNotContainKey("AllowedCPUs");
  }

  @Test
  void aPropertyThatSystemdRefusesIsNamed() {
    UnitName unit = name("ctr");
    assertThatThrownBy(() ->
            units.start(
                shell(unit, "true").with(new UnitProperty.Flag("NoSuchThing", true)).build(), SOON))
        .isInstanceOf(StageletException.class)
        .hasMessageContaining("NoSuchThing");
    assertThat(units.status(unit)).isEmpty();
    assertThatThrownBy(
            () -> units.start(shell(unit, "true").with(UnitProperty.memoryMax(0)).build(), SOON))
        .isInstanceOfSatisfying(
            StageletException.class,
            failure -> assertThat(failure.code()).isEqualTo(ErrorCode.INVALID_ARGUMENT))
        .hasMessageContaining("MemoryMax");
  }

  @Test
  void aHundredUnitsStartInParallel() throws Exception {
    List<UnitName> names = new ArrayList<>();
    try (var executor = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> starts = new ArrayList<>();
      for (int i = 0; i < 100; i++) {
        UnitName unit = name("ctr");
        names.add(unit);
        // oneshot jobs end so early that their signals often overtake the replies
        TransientUnit transientUnit =
            i % 2 == 0 ? pod(unit).build() : shell(unit, "exec sleep 1000").build();
        starts.add(executor.submit(() -> units.start(transientUnit, SOON)));
      }
      for (Future<?> start : starts) {
        start.get();
      }
    }
    assertThat(units.list(List.of("ctr-*.service")))
        .filteredOn(summary -> names.contains(summary.name()))
        .hasSize(100)
        .allSatisfy(summary -> {
          assertThat(summary.activeState()).isEqualTo(ActiveState.ACTIVE);
          assertThat(summary.loadState()).isEqualTo(LoadState.LOADED);
        });
    try (var executor = Executors.newVirtualThreadPerTaskExecutor()) {
      for (Future<?> stop :
          names.stream().map(unit -> executor.submit(() -> units.stop(unit, SOON))).toList()) {
        stop.get();
      }
    }
    assertThat(units.list(List.of("ctr-*.service")))
        .noneMatch(summary -> names.contains(summary.name()));
  }

  @Test
  void startsAndStopsInQuickSuccessionLoseNoSignal() {
    // the end of a job that needs no process is told within microseconds of the reply
    UnitName unit = name("pod");
    TransientUnit trivial = pod(unit).build();
    for (int i = 0; i < 200; i++) {
      units.start(trivial, SOON);
      units.stop(unit, SOON);
    }
    assertThat(units.status(unit)).isEmpty();
  }

  @Test
  void theVersionIsThatOfSystemctl() {
    SystemdVersion version = units.version();
    assertThat(Command.of("systemctl", "--version").runChecked().text())
        .startsWith("systemd " + version.major() + " (" + version.full() + ")");
  }

  @Test
  void anInterruptedCallerIsSaidSo() {
    UnitName unit = name("ctr");
    Thread.currentThread().interrupt();
    assertThatThrownBy(() -> units.start(shell(unit, "exec sleep 1000").build(), SOON))
        .isInstanceOfSatisfying(
            StageletException.class,
            failure -> assertThat(failure.code()).isEqualTo(ErrorCode.CANCELLED));
    assertThat(Thread.interrupted()).isTrue();
  }

  @Test
  void aClosedConnectionSaysSo() {
    Units closed = Units.connect();
    closed.close();
    closed.close();
    assertThatThrownBy(closed::version).hasMessageContaining("was closed");
  }

  @Test
  void noBusIsSaidSo() {
    assertThatThrownBy(() -> Units.connect(directory.resolve("no-bus")))
        .isInstanceOfSatisfying(
            StageletException.class,
            failure -> assertThat(failure.code()).isEqualTo(ErrorCode.UNAVAILABLE))
        .hasMessageContaining("no-bus");
  }

  private UnitName name(String kind) {
    UnitName unit =
        UnitName.readable(
            kind, List.of("test"), UUID.randomUUID().toString().replace("-", ""), "service");
    made.add(unit);
    return unit;
  }

  private static TransientUnit.ServiceBuilder pod(UnitName unit) {
    return TransientUnit.service(unit)
        .type(ServiceType.ONESHOT)
        .remainAfterExit(true)
        .execStop(List.of("/bin/true"), false);
  }

  private static TransientUnit.ServiceBuilder shell(UnitName unit, String script) {
    return TransientUnit.service(unit)
        .type(ServiceType.EXEC)
        .execStart(List.of("/bin/sh", "-c", script), false);
  }

  /** The unit once it has come to rest: a reading made as the process ends may still say active. */
  private static UnitStatus awaitEnd(UnitName unit) {
    return Awaitility.await()
        .until(
            () -> units.status(unit).orElseThrow(),
            status -> status.main().ended() && AT_REST.contains(status.subState()));
  }

  private static Map<String, String> show(UnitName unit) {
    Map<String, String> properties = new java.util.HashMap<>();
    Command.of("systemctl", "show", unit.value())
        .runChecked()
        .text()
        .lines()
        .forEach(line -> {
          int equals = line.indexOf('=');
          properties.put(line.substring(0, equals), line.substring(equals + 1));
        });
    return properties;
  }

  private Path fifo(String name) {
    Path fifo = directory.resolve(name);
    Command.of("mkfifo", fifo.toString()).runChecked();
    return fifo;
  }

  private static void write(Path fifo) {
    Command.of("sh", "-c", "echo go > " + fifo).runChecked();
  }
}
