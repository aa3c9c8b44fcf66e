package io.stagelet.units;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.junit.jupiter.api.Test;

/** What needs no descriptors; that they come is shown by {@link SdNotifyIT}. */
class SocketActivationTest {
  @Test
  void thereAreNoneWithoutTheVariablesOrForAnotherProcess() {
    assertThat(SocketActivation.take(Map.of(), 7)).isEmpty();
    assertThat(SocketActivation.take(Map.of("LISTEN_FDS", "1"), 7)).isEmpty();
    assertThat(SocketActivation.take(Map.of("LISTEN_FDS", "1", "LISTEN_PID", "8"), 7)).isEmpty();
    assertThat(SocketActivation.take(Map.of("LISTEN_FDS", "0", "LISTEN_PID", "7"), 7)).isEmpty();
  }

  @Test
  void variablesThatContradictEachOtherAreSaidSo() {
    assertThatThrownBy(() -> SocketActivation.take(Map.of("LISTEN_FDS", "x", "LISTEN_PID", "7"), 7))
        .hasMessageContaining("LISTEN_FDS is 'x'");
    assertThatThrownBy(() ->
            SocketActivation.take(
                Map.of("LISTEN_FDS", "2", "LISTEN_PID", "7", "LISTEN_FDNAMES", "a:b:c"), 7))
        .hasMessageContaining("LISTEN_FDS says 2 and LISTEN_FDNAMES names 3");
  }

  @Test
  void aDescriptorThatIsNotOpenIsSaidSo() {
    assertThatThrownBy(
            () -> SocketActivation.take(Map.of("LISTEN_FDS", "99999", "LISTEN_PID", "7"), 7))
        .hasMessageContaining("is not open");
  }
}
