package io.stagelet.stage1.nspawn;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.Stage1Host;
import java.nio.file.Path;
import java.util.Map;
import org.assertj.core.api.AbstractThrowableAssert;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Mistakes in a handler's options are told before anything is asked of the host. */
class NspawnStage1ProviderTest {
  /** A host that has nothing. */
  private static final Stage1Host BARE =
      new Stage1Host() {
        @Override
        public <T> T shared(Class<T> type) {
          throw new AssertionError("was asked for " + type);
        }
      };

  @TempDir private Path run;

  private AbstractThrowableAssert<?, ? extends Throwable> refusal(Map<String, String> options) {
    return assertThatThrownBy(
            () -> new NspawnStage1Provider().open("machines", options, BARE, run).close())
        .isInstanceOfSatisfying(
            StageletException.class,
            refused -> assertThat(refused.code()).isEqualTo(ErrorCode.INVALID_ARGUMENT));
  }

  @Test
  void aBusIsThereOrNot() {
    refusal(Map.of("bus", "session"))
        .hasMessageContainingAll("handlers.machines.bus", "'session'", "true", "false");
  }

  @Test
  void aBootedImageBringsItsOwnBus() {
    refusal(Map.of("bus", "true", "boot", "image"))
        .hasMessageContainingAll("handlers.machines", "boot = \"image\"", "leave bus out");
  }

  @Test
  void whatIsBootedHasAName() {
    refusal(Map.of("boot", "disk"))
        .hasMessageContainingAll("handlers.machines.boot", "'disk'", "\"stage1\"", "\"image\"");
  }

  @Test
  void keysThatItDoesNotKnowAreNamed() {
    refusal(Map.of("buss", "true", "root", "/")).hasMessageContaining("[buss, root]");
  }
}
