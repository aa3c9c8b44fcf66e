package io.stagelet.stage1.oci;

import io.stagelet.stage0.spi.Stage1;
import io.stagelet.stage0.spi.Stage1Host;
import io.stagelet.stage1.contract.Stage1Contract;
import io.stagelet.units.Units;
import java.nio.file.Path;
import java.util.Map;

/** What every stage1 promises, with crun. */
class OciContractIT extends Stage1Contract {
  @Override
  protected Stage1 open(Units units, Path runDirectory) {
    Stage1Host host =
        new Stage1Host() {
          @Override
          public <T> T shared(Class<T> type) {
            return type.cast(units);
          }
        };
    return new OciStage1Provider().open("crun", Map.of(), host, runDirectory);
  }
}
