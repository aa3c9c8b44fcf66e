package io.stagelet.testhost.packages;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The commands that the documents show, with a pod and an image of this machine in the place of
 * those that they name. Commands that make, install or remove something are the test's own.
 */
final class DocumentedCommands {
  private static final Pattern COMMAND =
      Pattern.compile(
          " {4}((?:stagelet|stage0|journalctl|systemctl (?:status|list-jobs|reload)) .*)");

  /** A line that begins with a program, and has a variable or so before it. */
  private static final Pattern OF_OTHERS =
      Pattern.compile(
          " {4}((?:[A-Z_]+=\\S+ )*(?:(?:\\./|dist/|testhost/)[a-z]+"
              + "|(?:apt-get|apt|dnf|rpm|dpkg|tar|kubelet|kubeadm|kubectl|crictl|curl|systemctl|journalctl|stagelet|stage0"
              + "|mkdir|cat|ip|iptables|nft|mount|sysctl|modprobe)(?= ))(?!.* = ).*)");

  /** What stands for something; the longer before what it begins with. */
  private static final Map<String, String> MEANT = new LinkedHashMap<>();

  static {
    MEANT.put(" +#.*", "");
    MEANT.put("default/web-0|NAMESPACE/POD", "default/@POD@");
    MEANT.put("ctr-default-web-0-app-[0-9a-f]+", "'ctr-default-@POD@-app-*'");
    MEANT.put("pod-default-web-0", "pod-default-@POD@");
    MEANT.put("ctr-NAMESPACE-POD", "ctr-default-@POD@");
    MEANT.put("K8S_POD_NAME=web-0", "K8S_POD_NAME=@POD@");
    MEANT.put("(stagelet [a-z]+) POD", "$1 @POD@");
    MEANT.put("\\[CONTAINER\\]|CONTAINER|(?<=@POD@ )NAME", "app");
    MEANT.put("(stage0 (?:show|rm|export)) app", "$1 @IMAGE@");
    MEANT.put("quay\\.io/team/app:1", "@IMAGE@");
    MEANT.put("app\\.tar", "/tmp/app.tar");
    MEANT.put("stage0 import", "stage0 export @IMAGE@ /tmp/app.tar && stage0 import");
    MEANT.put(
        "^stage0 export @IMAGE@ /tmp/app\\.tar$",
        "rm /tmp/app.tar && stage0 export @IMAGE@ /tmp/app.tar");
    MEANT.put("stage0 mount (.*)", "stage0 mount $1 && stage0 unmount /mnt");
  }

  private DocumentedCommands() {}

  /**
   * All of them, in their order; those with an id that nobody can know are not among them.
   *
   * @param pod the name of a pod in the namespace default, which has a container called app
   * @param image one that no container is made of
   */
  static List<String> with(Path project, String pod, String image) throws IOException {
    return documents(project).stream()
        .flatMap(DocumentedCommands::lines)
        .map(COMMAND::matcher)
        .filter(Matcher::matches)
        .map(match -> match.group(1))
        .filter(line -> !line.contains("…"))
        .map(DocumentedCommands::meant)
        .map(line -> line.replace("@IMAGE@", image).replace("@POD@", pod))
        .distinct()
        .toList();
  }

  /** The other lines that call a program: somebody else has to run them. */
  static List<String> others(Path project) throws IOException {
    return documents(project).stream()
        .flatMap(DocumentedCommands::lines)
        .filter(line -> !COMMAND.matcher(line).matches() || line.contains("…"))
        .map(OF_OTHERS::matcher)
        .filter(Matcher::matches)
        .map(match -> match.group(1).replaceAll(" +#.*", "").strip())
        // a machine of another suite is asked for the same things
        .map(line -> line.replaceFirst("^SUITE=sid ", ""))
        .filter(line -> !line.contains("──"))
        .distinct()
        .toList();
  }

  private static List<Path> documents(Path project) throws IOException {
    try (Stream<Path> docs = Files.list(project.resolve("docs"))) {
      return Stream.concat(
              Stream.of(project.resolve("README.md")),
              docs.filter(file -> file.toString().endsWith(".md")).sorted())
          .toList();
    }
  }

  private static String meant(String line) {
    String text = line;
    for (Map.Entry<String, String> one : MEANT.entrySet()) {
      text = text.replaceAll(one.getKey(), one.getValue());
    }
    return text.strip();
  }

  private static Stream<String> lines(Path document) {
    try {
      return Files.readAllLines(document).stream();
    } catch (IOException failure) {
      throw new java.io.UncheckedIOException(failure);
    }
  }
}
