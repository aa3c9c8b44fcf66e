package io.stagelet.stage1.oci;

import io.stagelet.stage0.spi.Stage1;
import io.stagelet.stage0.spi.Stage1Host;
import io.stagelet.stage1.contract.Stage1Contract;
import java.nio.file.Path;
import java.util.Map;

/** What every stage1 promises, with crun. */
class OciContractIT extends Stage1Contract {
  @Override
  protected Stage1 open(Stage1Host host, Path runDirectory) {
    return new OciStage1Provider().open("crun", Map.of(), host, runDirectory);
  }
}
