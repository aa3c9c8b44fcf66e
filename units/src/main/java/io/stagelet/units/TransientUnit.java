package io.stagelet.units;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A unit that exists only while systemd knows it ({@code StartTransientUnit} of {@code
 * org.freedesktop.systemd1(5)}), with all its properties. Immutable; made by a builder, which
 * checks what can be checked before systemd sees it.
 *
 * <p>A builder's methods that name one thing replace what was set before; those for commands,
 * dependencies and environment add to it.
 */
public final class TransientUnit {
  /** A time span without an end. */
  public static final Duration INFINITE = Duration.ofSeconds(Long.MAX_VALUE);

  private final UnitName name;
  private final List<UnitProperty> properties;

  private TransientUnit(UnitName name, List<UnitProperty> properties) {
    this.name = name;
    this.properties = List.copyOf(properties);
  }

  /** A builder of a service. */
  public static ServiceBuilder service(UnitName name) {
    return new ServiceBuilder(name);
  }

  /** A builder of a slice; the slice it sits in follows from its name. */
  public static SliceBuilder slice(UnitName name) {
    return new SliceBuilder(name);
  }

  /** Its name. */
  public UnitName name() {
    return name;
  }

  /** All its properties, in the order systemd gets them. */
  public List<UnitProperty> properties() {
    return properties;
  }

  /** What services and slices have in common. */
  public abstract static sealed class Builder<B extends Builder<B>> {
    final UnitName name;
    private final Map<String, UnitProperty> properties = new LinkedHashMap<>();
    private final Map<String, List<String>> texts = new LinkedHashMap<>();

    private Builder(UnitName name, String suffix) {
      if (!name.suffix().equals(suffix)) {
        throw new StageletException(
            ErrorCode.INVALID_ARGUMENT, "%s is not the name of a %s".formatted(name, suffix));
      }
      this.name = name;
    }

    abstract B self();

    /** Sets properties, such as limits; each replaces one of the same name. */
    public B with(Collection<? extends UnitProperty> more) {
      for (UnitProperty property : more) {
        set(property);
      }
      return self();
    }

    /** Sets a property, such as a limit; it replaces one of the same name. */
    public B with(UnitProperty property) {
      return set(property);
    }

    /** What the unit is, in words, for people. */
    public B description(String text) {
      return set(UnitProperty.description(text));
    }

    /** Units that must be active while this one is; when one stops, this one is stopped. */
    public B bindsTo(UnitName... units) {
      return add("BindsTo", units);
    }

    /** Units that are started before this one, and stopped after it. */
    public B after(UnitName... units) {
      return add("After", units);
    }

    /** Units that are started after this one, and stopped before it. */
    public B before(UnitName... units) {
      return add("Before", units);
    }

    /** Units that are started with this one; when one of them cannot be, neither can this. */
    public B requires(UnitName... units) {
      return add("Requires", units);
    }

    /** Units that are started with this one, if they can be. */
    public B wants(UnitName... units) {
      return add("Wants", units);
    }

    /** Units whose stop or restart is this one's as well. */
    public B partOf(UnitName... units) {
      return add("PartOf", units);
    }

    /** Units that cannot be active together with this one: starting one stops the other. */
    public B conflicts(UnitName... units) {
      return add("Conflicts", units);
    }

    /**
     * Whether systemd adds the dependencies that most units have, such as to be stopped at
     * shutdown.
     */
    public B defaultDependencies(boolean yes) {
      return set(new UnitProperty.Flag("DefaultDependencies", yes));
    }

    /** When systemd forgets the unit by itself. */
    public B collectMode(CollectMode mode) {
      return set(new UnitProperty.Text("CollectMode", mode.word()));
    }

    /** The unit as it is described so far. */
    public abstract TransientUnit build();

    final B set(UnitProperty property) {
      properties.put(property.name(), property);
      return self();
    }

    final B addTexts(String property, Collection<String> values) {
      texts.computeIfAbsent(property, absent -> new ArrayList<>()).addAll(values);
      return self();
    }

    final boolean has(UnitProperty property) {
      return property.equals(properties.get(property.name()));
    }

    final boolean hasSet(String property) {
      return properties.containsKey(property);
    }

    final TransientUnit build(List<UnitProperty> more) {
      List<UnitProperty> all = new ArrayList<>(properties.values());
      texts.forEach((property, values) -> all.add(new UnitProperty.Texts(property, values)));
      all.addAll(more);
      return new TransientUnit(name, all);
    }

    final IllegalArgumentException wrong(String reason) {
      return new IllegalArgumentException("%s cannot be such a unit: %s".formatted(name, reason));
    }

    private B add(String property, UnitName... units) {
      List<String> names = new ArrayList<>();
      for (UnitName unit : units) {
        names.add(unit.value());
      }
      return addTexts(property, names);
    }
  }

  /** Builds a slice. */
  public static final class SliceBuilder extends Builder<SliceBuilder> {
    private SliceBuilder(UnitName name) {
      super(name, "slice");
    }

    @Override
    SliceBuilder self() {
      return this;
    }

    @Override
    public TransientUnit build() {
      return build(List.of());
    }
  }

  /**
   * Builds a service; {@code systemd.service(5)}, {@code systemd.exec(5)} and {@code
   * systemd.kill(5)} say more.
   */
  public static final class ServiceBuilder extends Builder<ServiceBuilder> {
    // with the options of ":" in unit files: arguments are taken as they are, without variables
    private static final String START = "ExecStartEx";
    private static final String STOP = "ExecStopEx";

    private final Map<String, List<ExecCommand>> commands = new LinkedHashMap<>();

    private ServiceBuilder(UnitName name) {
      super(name, "service");
    }

    @Override
    ServiceBuilder self() {
      return this;
    }

    /** The slice it sits in. */
    public ServiceBuilder slice(UnitName slice) {
      if (!slice.suffix().equals("slice")) {
        throw wrong(slice + " is not a slice");
      }
      return set(new UnitProperty.Text("Slice", slice.value()));
    }

    /** When it counts as started. */
    public ServiceBuilder type(ServiceType type) {
      return set(new UnitProperty.Text("Type", type.word()));
    }

    /** Adds a command that starts it. Types other than oneshot have exactly one. */
    public ServiceBuilder execStart(List<String> argv, boolean ignoreFailure) {
      return command(START, argv, ignoreFailure);
    }

    /** Adds a command that runs before it starts. */
    public ServiceBuilder execStartPre(List<String> argv, boolean ignoreFailure) {
      return command("ExecStartPreEx", argv, ignoreFailure);
    }

    /** Adds a command that runs after it started; only then it is active. */
    public ServiceBuilder execStartPost(List<String> argv, boolean ignoreFailure) {
      return command("ExecStartPostEx", argv, ignoreFailure);
    }

    /** Adds a command that stops it; it does not run when the start failed. */
    public ServiceBuilder execStop(List<String> argv, boolean ignoreFailure) {
      return command(STOP, argv, ignoreFailure);
    }

    /** Adds a command that runs after it stopped, however that came. */
    public ServiceBuilder execStopPost(List<String> argv, boolean ignoreFailure) {
      return command("ExecStopPostEx", argv, ignoreFailure);
    }

    /** Where the number of its main process is read from, once the start command is through. */
    public ServiceBuilder pidFile(Path file) {
      return set(new UnitProperty.Text("PIDFile", absolute("the PID file", file)));
    }

    /** Whether systemd guesses the main process of a forking service that has no PID file. */
    public ServiceBuilder guessMainPid(boolean yes) {
      return set(new UnitProperty.Flag("GuessMainPID", yes));
    }

    /** Whether it stays active when all its processes have ended well. */
    public ServiceBuilder remainAfterExit(boolean yes) {
      return set(new UnitProperty.Flag("RemainAfterExit", yes));
    }

    /** When systemd starts it again by itself. */
    public ServiceBuilder restart(RestartPolicy policy) {
      return set(new UnitProperty.Text("Restart", policy.word()));
    }

    /** Whether the cgroup below it is its own to arrange. */
    public ServiceBuilder delegate(boolean yes) {
      return set(new UnitProperty.Flag("Delegate", yes));
    }

    /** The cgroup below its own that its processes are put into; systemd 254 or later. */
    public ServiceBuilder delegateSubgroup(String subgroup) {
      return set(new UnitProperty.Text("DelegateSubgroup", subgroup));
    }

    /** Which of its processes are killed when it is stopped. */
    public ServiceBuilder killMode(KillMode mode) {
      return set(new UnitProperty.Text("KillMode", mode.word()));
    }

    /** The number of the signal that asks it to end; 15 unless set. */
    public ServiceBuilder killSignal(int signal) {
      return set(new UnitProperty.Signed32("KillSignal", signal(signal)));
    }

    /** The number of the signal that follows when the stop timeout is over; 9 unless set. */
    public ServiceBuilder finalKillSignal(int signal) {
      return set(new UnitProperty.Signed32("FinalKillSignal", signal(signal)));
    }

    /** Whether what is left after the stop timeout is killed. */
    public ServiceBuilder sendSigkill(boolean yes) {
      return set(new UnitProperty.Flag("SendSIGKILL", yes));
    }

    /** How long its start may take; may be {@link #INFINITE}. */
    public ServiceBuilder timeoutStart(Duration timeout) {
      return set(new UnitProperty.Span("TimeoutStartUSec", timeout));
    }

    /** How long each step of its stop may take; may be {@link #INFINITE}. */
    public ServiceBuilder timeoutStop(Duration timeout) {
      return set(new UnitProperty.Span("TimeoutStopUSec", timeout));
    }

    /** Who may send notifications for it. */
    public ServiceBuilder notifyAccess(NotifyAccess access) {
      return set(new UnitProperty.Text("NotifyAccess", access.word()));
    }

    /** How many descriptors systemd keeps for it ({@link SdNotify#store}). */
    public ServiceBuilder fileDescriptorStoreMax(int most) {
      return set(new UnitProperty.Number32("FileDescriptorStoreMax", most));
    }

    /** The file, FIFO or terminal its commands read from. */
    public ServiceBuilder standardInputFile(Path file) {
      return set(new UnitProperty.Text("StandardInputFile", absolute("the standard input", file)));
    }

    /** The file or FIFO its commands write to; made when absent, and not truncated. */
    public ServiceBuilder standardOutputFile(Path file) {
      return set(
          new UnitProperty.Text("StandardOutputFile", absolute("the standard output", file)));
    }

    /** What its commands write goes nowhere. */
    public ServiceBuilder standardOutputNull() {
      return set(new UnitProperty.Text("StandardOutput", "null"));
    }

    /** What its commands write as errors goes nowhere. */
    public ServiceBuilder standardErrorNull() {
      return set(new UnitProperty.Text("StandardError", "null"));
    }

    /** The file or FIFO its commands write errors to; made when absent, and not truncated. */
    public ServiceBuilder standardErrorFile(Path file) {
      return set(new UnitProperty.Text("StandardErrorFile", absolute("the standard error", file)));
    }

    /**
     * Adds variables to the environment of its commands; an entry replaces an earlier one of that
     * name.
     */
    public ServiceBuilder environment(Map<String, String> variables) {
      variables.forEach((variable, value) -> {
        if (!variable.matches("[A-Za-z_][A-Za-z0-9_]*")) {
          throw wrong("'%s' is not the name of a variable".formatted(variable));
        }
        addTexts("Environment", List.of(variable + "=" + value));
      });
      return this;
    }

    /** The directory its commands run in. */
    public ServiceBuilder workingDirectory(Path directory) {
      return set(
          new UnitProperty.Text("WorkingDirectory", absolute("the working directory", directory)));
    }

    /** What follows when a process of it is killed for lack of memory. */
    public ServiceBuilder oomPolicy(OomPolicy policy) {
      return set(new UnitProperty.Text("OOMPolicy", policy.word()));
    }

    /** How likely its processes are killed when memory runs out: from -1000 (never) to 1000. */
    public ServiceBuilder oomScoreAdjust(int adjustment) {
      if (adjustment < -1000 || adjustment > 1000) {
        throw wrong("OOMScoreAdjust is %d, and goes from -1000 to 1000".formatted(adjustment));
      }
      return set(new UnitProperty.Signed32("OOMScoreAdjust", adjustment));
    }

    @Override
    public TransientUnit build() {
      boolean oneshot = has(new UnitProperty.Text("Type", ServiceType.ONESHOT.word()));
      int starts = commands.getOrDefault(START, List.of()).size();
      if (!oneshot && starts != 1) {
        throw wrong(
            "it has %d start commands; only a oneshot service may have other than one"
                .formatted(starts));
      }
      // systemd.service(5): without a start command there must be a stop command, and it must stay
      if (starts == 0
          && !(has(new UnitProperty.Flag("RemainAfterExit", true)) && commands.containsKey(STOP))) {
        throw wrong("without a start command it needs a stop command and to remain after exit");
      }
      if (hasSet("PIDFile") && !has(new UnitProperty.Text("Type", ServiceType.FORKING.word()))) {
        throw wrong("only a forking service has a PID file");
      }
      List<UnitProperty> all = new ArrayList<>();
      commands.forEach((property, values) -> all.add(new UnitProperty.Commands(property, values)));
      return build(all);
    }

    private ServiceBuilder command(String property, List<String> argv, boolean ignoreFailure) {
      commands
          .computeIfAbsent(property, absent -> new ArrayList<>())
          .add(new ExecCommand(argv, ignoreFailure));
      return this;
    }

    private String absolute(String what, Path path) {
      if (!path.isAbsolute()) {
        throw wrong("%s %s is not an absolute path".formatted(what, path));
      }
      return path.toString();
    }

    private int signal(int number) {
      if (number < 1 || number > 64) {
        throw wrong("%d is not the number of a signal".formatted(number));
      }
      return number;
    }
  }
}
