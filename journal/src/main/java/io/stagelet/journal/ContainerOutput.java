package io.stagelet.journal;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What one container writes, and where it goes.
 *
 * @param id the container's id: 1 to 200 letters, digits, dashes, dots and underscores
 * @param stdoutFifo the FIFO to be its standard output; nobody but root should be able to reach the
 *     directory above it, which is made where it is missing
 * @param stderrFifo the same for its standard error
 * @param logFile kubelet's file; none where kubelet gave no log path
 * @param fields what each entry carries besides what the relay itself adds ({@code MESSAGE}, {@code
 *     STREAM}, {@code PRIORITY}, {@code CONTAINER_ID_FULL}, {@code CONTAINER_PARTIAL_MESSAGE},
 *     {@code STAGELET_SEQUENCE}); see {@link ContainerFields}
 * @param priorityPrefix whether a line's own {@code <0>} to {@code <7>} at its begin is its
 *     priority ({@code sd-daemon(3)}) and is left out of the journal's message
 * @param policy what happens while the journal or the file takes nothing
 * @param terminal whether it writes to a terminal, whose master is read instead of the FIFOs; all
 *     its output is standard output then
 */
public record ContainerOutput(
    String id,
    Path stdoutFifo,
    Path stderrFifo,
    Optional<Path> logFile,
    Map<String, String> fields,
    boolean priorityPrefix,
    OutputPolicy policy,
    boolean terminal) {

  public ContainerOutput {
    if (!id.matches("[A-Za-z0-9_.-]{1,200}")) {
      throw new IllegalArgumentException(
          "\"%s\" cannot be a container's id: 1 to 200 letters, digits, - . _".formatted(id));
    }
    fields.keySet().forEach(NativeProtocol::checkName);
    fields = Collections.unmodifiableMap(new LinkedHashMap<>(fields));
  }

  /** Output without priorities in its lines, of which nothing is dropped. */
  public ContainerOutput(
      String id,
      Path stdoutFifo,
      Path stderrFifo,
      Optional<Path> logFile,
      Map<String, String> fields) {
    this(id, stdoutFifo, stderrFifo, logFile, fields, false, OutputPolicy.BLOCK);
  }

  /** Output that is not a terminal's. */
  public ContainerOutput(
      String id,
      Path stdoutFifo,
      Path stderrFifo,
      Optional<Path> logFile,
      Map<String, String> fields,
      boolean priorityPrefix,
      OutputPolicy policy) {
    this(id, stdoutFifo, stderrFifo, logFile, fields, priorityPrefix, policy, false);
  }

  /** This output, to a terminal. */
  public ContainerOutput onTerminal() {
    return new ContainerOutput(
        id, stdoutFifo, stderrFifo, logFile, fields, priorityPrefix, policy, true);
  }

  /** The streams it has. */
  List<StreamKind> kinds() {
    return terminal ? List.of(StreamKind.STDOUT) : List.of(StreamKind.values());
  }

  Path fifo(StreamKind kind) {
    return switch (kind) {
      case STDOUT -> stdoutFifo;
      case STDERR -> stderrFifo;
    };
  }
}
