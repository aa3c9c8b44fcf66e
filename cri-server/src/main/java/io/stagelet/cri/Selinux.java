package io.stagelet.cri;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.SecurityLabels;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.SandboxPlan;
import io.stagelet.stage0.spi.SelinuxLabels;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.Set;
import java.util.random.RandomGenerator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The labels of pods and containers where SELinux is on. What a policy calls containers is in
 * {@code /etc/selinux/POLICY/contexts/lxc_contexts}; each pod has a level of its own (two
 * categories), so that one cannot touch what is another's. Where SELinux is off, labels mean
 * nothing to anybody.
 */
final class Selinux {
  private static final int CATEGORIES = 1024;
  private static final Pattern POLICY = Pattern.compile("(?m)^\\s*SELINUXTYPE\\s*=\\s*(\\S+)");

  /** What must not be given to a container's label, and all that is above it. */
  private static final Set<Path> NEVER_RELABELLED =
      Set.of(
          Path.of("/"),
          Path.of("/bin"),
          Path.of("/boot"),
          Path.of("/dev"),
          Path.of("/etc"),
          Path.of("/home"),
          Path.of("/lib"),
          Path.of("/lib64"),
          Path.of("/opt"),
          Path.of("/proc"),
          Path.of("/root"),
          Path.of("/run"),
          Path.of("/sbin"),
          Path.of("/srv"),
          Path.of("/sys"),
          Path.of("/tmp"),
          Path.of("/usr"),
          Path.of("/var"));

  private final Path kernel;
  private final Path configuration;
  private final RandomGenerator random;

  /**
   * SELinux on this machine.
   *
   * @param kernel where its filesystem is: {@code /sys/fs/selinux}
   * @param configuration where its policies are: {@code /etc/selinux}
   */
  Selinux(Path kernel, Path configuration, RandomGenerator random) {
    this.kernel = kernel;
    this.configuration = configuration;
    this.random = random;
  }

  /**
   * A kernel that has SELinux and was given no policy labels nothing, as libselinux sees it too.
   */
  private boolean isOn() {
    return Files.exists(kernel.resolve("enforce")) && Files.exists(configuration.resolve("config"));
  }

  /** A label in its four parts. */
  private record Label(String user, String role, String type, String level) {
    static Label parse(String text) {
      String[] parts = text.split(":", 4);
      if (parts.length < 4) {
        throw new StageletException(
            ErrorCode.FAILED_PRECONDITION,
            "'%s' in the policy's lxc_contexts is not an SELinux label".formatted(text));
      }
      return new Label(parts[0], parts[1], parts[2], parts[3]);
    }

    Label with(SelinuxOptions options) {
      return new Label(
          options.user().isEmpty() ? user : options.user(),
          options.role().isEmpty() ? role : options.role(),
          options.type().isEmpty() ? type : options.type(),
          options.level().isEmpty() ? level : options.level());
    }

    Label at(String otherLevel) {
      return new Label(user, role, type, otherLevel);
    }

    @Override
    public String toString() {
      return String.join(":", user, role, type, level);
    }
  }

  /**
   * The labels of a new sandbox.
   *
   * @param taken the levels that other sandboxes have
   * @throws StageletException {@code INVALID_ARGUMENT} when the policy has no such label
   */
  Optional<SelinuxLabels> ofSandbox(SelinuxOptions asked, boolean privileged, Set<String> taken) {
    if (!isOn()) {
      return Optional.empty();
    }
    return Optional.of(
        labels(asked, privileged, asked.level().isEmpty() ? freeLevel(taken) : asked.level()));
  }

  /**
   * The labels of a container; what it does not ask for is as its sandbox has it.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} when the policy has no such label
   */
  Optional<SelinuxLabels> ofContainer(
      SandboxPlan sandbox, SelinuxOptions asked, boolean privileged) {
    if (!isOn()) {
      return Optional.empty();
    }
    if (asked.isEmpty() && !privileged && sandbox.selinux().isPresent()) {
      SelinuxLabels pods = sandbox.selinux().get();
      if (pods.process().isPresent()) {
        return Optional.of(pods);
      }
    }
    String podsLevel = sandbox.selinux().map(Selinux::level).orElse("s0");
    return Optional.of(
        labels(asked, privileged, asked.level().isEmpty() ? podsLevel : asked.level()));
  }

  /** The level of a sandbox's or container's labels. */
  static String level(SelinuxLabels labels) {
    return Label.parse(labels.files()).level();
  }

  private SelinuxLabels labels(SelinuxOptions asked, boolean privileged, String level) {
    Label files = Label.parse(context("file")).at(level);
    if (privileged && asked.isEmpty()) {
      return new SelinuxLabels(Optional.empty(), checked(files));
    }
    Label process = Label.parse(context("process")).with(asked).at(level);
    return new SelinuxLabels(Optional.of(checked(process)), checked(files));
  }

  /** What the policy calls a container's processes or files. */
  private String context(String what) {
    Path file = configuration;
    try {
      Matcher policy = POLICY.matcher(Files.readString(configuration.resolve("config")));
      if (!policy.find()) {
        throw new IOException("it names no SELINUXTYPE");
      }
      file = configuration.resolve(policy.group(1)).resolve("contexts/lxc_contexts");
      Matcher context =
          Pattern.compile("(?m)^\\s*%s\\s*=\\s*\"?([^\"\\s]+)\"?".formatted(what))
              .matcher(Files.readString(file));
      if (!context.find()) {
        throw new IOException("it has no line '%s ='".formatted(what));
      }
      return context.group(1);
    } catch (IOException failure) {
      throw new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "SELinux is on, and how its policy calls containers cannot be read from %s: %s; install a policy for containers"
              .formatted(file, StageletException.reason(failure)),
          failure);
    }
  }

  /** The kernel takes a label that its policy has, and no other. */
  private String checked(Label label) {
    try {
      Files.writeString(kernel.resolve("context"), label.toString(), StandardOpenOption.WRITE);
      return label.toString();
    } catch (IOException refused) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "the SELinux policy has no label %s (%s)"
              .formatted(label, StageletException.reason(refused)),
          refused);
    }
  }

  private String freeLevel(Set<String> taken) {
    while (true) {
      int one = random.nextInt(CATEGORIES);
      int other = random.nextInt(CATEGORIES);
      String level = "s0:c%d,c%d".formatted(Math.min(one, other), Math.max(one, other));
      if (one != other && !taken.contains(level)) {
        return level;
      }
    }
  }

  /**
   * Gives a volume to a container.
   *
   * @throws StageletException {@code INVALID_ARGUMENT} when it is a directory of the system itself
   */
  static void relabel(Path volume, String label) {
    if (NEVER_RELABELLED.contains(volume)) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "selinux_relabel: %s belongs to the system, and must not get a container's label"
              .formatted(volume));
    }
    SecurityLabels.label(volume, label);
  }
}
