package io.stagelet.journal;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import org.junit.jupiter.api.Test;
import org.slf4j.event.Level;

class LogLevelsTest {
  private final LogLevels levels =
      new LogLevels(
          Level.INFO, Map.of("io.stagelet", Level.DEBUG, "io.stagelet.units.Bus", Level.ERROR));

  @Test
  void aLoggerHasTheLevelOfTheLongestNameAroundIt() {
    assertThat(levels.of("io.stagelet.units.Bus")).isEqualTo(Level.ERROR);
    assertThat(levels.of("io.stagelet.units.Units")).isEqualTo(Level.DEBUG);
    assertThat(levels.of("io.stagelet")).isEqualTo(Level.DEBUG);
  }

  @Test
  void aNameIsNoPrefixOfAnotherWord() {
    assertThat(levels.of("io.stageletother.Thing")).isEqualTo(Level.INFO);
    assertThat(levels.of("io.netty.Thing")).isEqualTo(Level.INFO);
  }

  @Test
  void configuredLevelsWinOverTheDefaults() {
    LogLevels configured =
        LogLevels.defaults()
            .with(Level.WARN, Map.of("io.netty.util.internal.MacAddressUtil", Level.DEBUG));
    assertThat(configured.of("io.netty.util.internal.MacAddressUtil")).isEqualTo(Level.DEBUG);
    assertThat(configured.of("anything")).isEqualTo(Level.WARN);
  }
}
