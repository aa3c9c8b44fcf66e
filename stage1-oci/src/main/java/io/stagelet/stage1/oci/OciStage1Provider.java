package io.stagelet.stage1.oci;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.Stage1;
import io.stagelet.stage0.spi.Stage1Host;
import io.stagelet.stage0.spi.Stage1Provider;
import io.stagelet.units.Units;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** Makes the stage1 {@code oci}. Its one option is {@code runtime}: the path of the OCI runtime. */
public final class OciStage1Provider implements Stage1Provider {
  private static final String RUNTIME = "runtime";

  @Override
  public String name() {
    return "oci";
  }

  @Override
  public Stage1 open(
      String handler, Map<String, String> options, Stage1Host host, Path runDirectory) {
    Set<String> unknown = new TreeSet<>(options.keySet());
    unknown.remove(RUNTIME);
    if (!unknown.isEmpty()) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT,
          "handlers.%s has keys that the stage1 oci does not know: %s".formatted(handler, unknown));
    }
    Path binary = Path.of(options.getOrDefault(RUNTIME, "/usr/bin/" + handler));
    return new OciStage1(
        host.shared(Units.class), OciRuntime.at(binary, runDirectory), new ObjectMapper());
  }
}
