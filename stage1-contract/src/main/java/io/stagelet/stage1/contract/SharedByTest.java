package io.stagelet.stage1.contract;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.Faults;
import io.stagelet.stage0.spi.Stage1Host;
import io.stagelet.units.Units;
import java.util.List;

/** What the server would share. */
record SharedByTest(Units units) implements Stage1Host {
  @Override
  public <T> T shared(Class<T> type) {
    return List.of(units, Faults.none()).stream()
        .filter(type::isInstance)
        .map(type::cast)
        .findFirst()
        .orElseThrow(() ->
            new StageletException(ErrorCode.UNIMPLEMENTED, "nothing is shared of type " + type));
  }
}
