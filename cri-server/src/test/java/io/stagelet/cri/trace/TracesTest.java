package io.stagelet.cri.trace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TracesTest {
  private static final String CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

  private final List<Span> taken = new ArrayList<>();

  private Traces traces(int perMillion) {
    return new Traces(taken::add, perMillion, Clock.systemUTC(), new Random(7));
  }

  private static void call(Traces traces, Optional<String> traceparent) {
    Traces.Call call = traces.call("service/Run", traceparent);
    call.within(() -> {
      String _ =
          traces.stage(
              "Run unit",
              Map.of("about", "a pod"),
              () -> traces.stage("inner", Map.of(), () -> "done"));
    });
    call.end(Map.of("rpc.method", "Run"), Optional.empty());
  }

  @Test
  void aStageIsAPartOfItsCall() {
    call(traces(1_000_000), Optional.empty());

    assertThat(taken).extracting(Span::name).containsExactly("inner", "Run unit", "service/Run");
    Span inner = taken.get(0);
    Span stage = taken.get(1);
    Span whole = taken.get(2);
    assertThat(inner.parent()).hasValue(stage.context().spanId());
    assertThat(stage.parent()).hasValue(whole.context().spanId());
    assertThat(whole.parent()).isEmpty();
    assertThat(taken)
        .extracting(span -> span.context().traceId())
        .containsOnly(whole.context().traceId());
    assertThat(whole.context().traceId()).matches("[0-9a-f]{32}");
    assertThat(whole.context().spanId()).matches("[0-9a-f]{16}");
  }

  @Test
  void theCallersTraceGoesOn() {
    call(traces(0), Optional.of(CALLER));

    Span whole = taken.getLast();
    assertThat(whole.context().traceId()).isEqualTo("4bf92f3577b34da6a3ce929d0e0e4736");
    assertThat(whole.parent()).hasValue("00f067aa0ba902b7");
  }

  @Test
  void whatTheCallerDoesNotRecordIsNotRecorded() {
    call(traces(1_000_000), Optional.of(CALLER.replaceAll("01$", "00")));

    assertThat(taken).isEmpty();
  }

  @Test
  void withoutACallerSoManyOfAMillionAre() {
    Traces traces = traces(250_000);
    for (int i = 0; i < 4000; i++) {
      call(traces, Optional.empty());
    }

    assertThat(taken.size() / 3).isBetween(800, 1200);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "nonsense",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"
      })
  void aCallerThatCannotBeReadIsNone(String traceparent) {
    call(traces(1_000_000), Optional.of(traceparent));

    assertThat(taken.getLast().parent()).isEmpty();
  }

  @Test
  void aFailedStageSaysWhy() {
    Traces traces = traces(1_000_000);
    Traces.Call call = traces.call("service/Run", Optional.empty());

    assertThatThrownBy(() ->
            call.within(() -> {
              var _ =
                  traces.stage(
                      "Run unit",
                      Map.of(),
                      () -> {
                        throw new StageletException(ErrorCode.UNAVAILABLE, "no room");
                      });
            }))
        .isInstanceOf(StageletException.class);

    assertThat(taken.getLast().failure()).hasValue("no room");
  }

  @Test
  void aStageOfNoCallIsDoneAndNotRecorded() {
    assertThat(traces(1_000_000).<String>stage("Recovery", Map.of(), () -> "done"))
        .isEqualTo("done");
    assertThat(taken).isEmpty();
  }
}
