package io.stagelet.units;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * What systemd knows of a unit at one moment.
 *
 * @param name its name
 * @param description its description, for people
 * @param loadState whether its definition was loaded
 * @param activeState its state, the same for all types of units
 * @param subState its state in its type's own words, such as {@code running}, {@code exited},
 *     {@code start-post}
 * @param main the service and its main process
 * @param controlGroup its cgroup, as a path below the root of the hierarchy; empty when it has none
 * @param invocationId the id of this run of it, 32 hexadecimal digits; empty when it never ran
 */
public record UnitStatus(
    UnitName name,
    String description,
    LoadState loadState,
    ActiveState activeState,
    String subState,
    MainProcess main,
    String controlGroup,
    String invocationId) {
  /** See {@link MainProcess#result}. */
  public ServiceResult result() {
    return main.result();
  }

  /** See {@link MainProcess#mainPid}. */
  public int mainPid() {
    return main.mainPid();
  }

  /** See {@link MainProcess#execMainPid}. */
  public int execMainPid() {
    return main.execMainPid();
  }

  /** See {@link MainProcess#execMainCode}. */
  public MainExitCode execMainCode() {
    return main.execMainCode();
  }

  /** See {@link MainProcess#execMainStatus}. */
  public int execMainStatus() {
    return main.execMainStatus();
  }

  /** See {@link MainProcess#execMainStart}. */
  public @Nullable Instant execMainStart() {
    return main.execMainStart();
  }

  /** See {@link MainProcess#execMainExit}. */
  public @Nullable Instant execMainExit() {
    return main.execMainExit();
  }

  /** See {@link MainProcess#statusText}. */
  public String statusText() {
    return main.statusText();
  }
}
