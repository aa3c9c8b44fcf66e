package io.stagelet.cri;

import static org.assertj.core.api.Assertions.assertThat;

import io.stagelet.cri.v1.PodSandbox;
import io.stagelet.cri.v1.StreamPodSandboxesResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Long lists come in pieces. */
class ProtoPiecesTest {
  private static final int MOST = 1000;

  private static List<StreamPodSandboxesResponse> pieces(List<Integer> lengths) {
    List<StreamPodSandboxesResponse> sent = new ArrayList<>();
    sent.add(
        ProtoPieces.sent(
            lengths,
            length -> PodSandbox.newBuilder().setId("x".repeat(length)).build(),
            some -> StreamPodSandboxesResponse.newBuilder().addAllPodSandboxes(some).build(),
            sent::add,
            MOST));
    return sent;
  }

  @Test
  void noPieceIsTooLongAndNothingIsLost() {
    List<StreamPodSandboxesResponse> pieces =
        pieces(IntStream.range(0, 100).mapToObj(_ -> 90).toList());

    assertThat(pieces).hasSize(10);
    assertThat(pieces).allSatisfy(piece -> assertThat(piece.getPodSandboxesCount()).isEqualTo(10));
  }

  @Test
  void whatIsTooLongByItselfIsAPieceByItself() {
    assertThat(pieces(List.of(10, 5000, 10)))
        .extracting(StreamPodSandboxesResponse::getPodSandboxesCount)
        .containsExactly(1, 1, 1);
  }

  @Test
  void anEmptyListIsAnEmptyPiece() {
    assertThat(pieces(List.of())).containsExactly(StreamPodSandboxesResponse.getDefaultInstance());
  }
}
