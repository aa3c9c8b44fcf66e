package io.stagelet.cri;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.grpc.stub.StreamObserver;
import io.stagelet.cri.probe.CriProbe;
import io.stagelet.cri.v1.RuntimeServiceGrpc;
import io.stagelet.cri.v1.VersionRequest;
import io.stagelet.cri.v1.VersionResponse;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.channels.ServerSocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The CRI's socket, and the probe that asks it. */
class ListenerTest {
  private static final Duration SOON = Duration.ofSeconds(20);
  private static final Duration AT_ONCE = Duration.ofMillis(100);

  @TempDir private Path directory;

  private static final class Silent extends RuntimeServiceGrpc.RuntimeServiceImplBase {
    @Override
    public void version(VersionRequest request, StreamObserver<VersionResponse> observer) {
      // a server that hangs
    }
  }

  private static final class Answering extends RuntimeServiceGrpc.RuntimeServiceImplBase {
    @Override
    public void version(VersionRequest request, StreamObserver<VersionResponse> observer) {
      observer.onNext(VersionResponse.newBuilder().setRuntimeName("test").build());
      observer.onCompleted();
    }
  }

  private static final class Unbuilt extends RuntimeServiceGrpc.RuntimeServiceImplBase {}

  private Path socket() {
    return directory.resolve("cri.sock");
  }

  private Listener listener(RuntimeServiceGrpc.RuntimeServiceImplBase service) {
    return new Listener(socket(), OptionalInt.empty(), List.of(), List.of(service));
  }

  @Test
  void aServerThatAnswersPassesTheProbe() throws IOException {
    try (Listener _ = listener(new Answering())) {
      assertThat(CriProbe.ask(socket(), SOON)).isPositive();
      assertThat(CriProbe.ask(socket(), SOON)).isPositive();
      assertThat(Files.getPosixFilePermissions(socket()))
          .isEqualTo(PosixFilePermissions.fromString("rw-rw----"));
    }
    assertThat(socket()).doesNotExist();
  }

  @Test
  void aServerThatTakesTheCallAndHangsDoesNotPass() {
    try (Listener _ = listener(new Silent())) {
      assertThatThrownBy(() -> CriProbe.ask(socket(), AT_ONCE))
          .isInstanceOf(StageletException.class)
          .hasMessageContaining("did not answer within");
    }
  }

  @Test
  void aServerThatRefusesTheCallDoesNotPass() {
    try (Listener _ = listener(new Unbuilt())) {
      assertThatThrownBy(() -> CriProbe.ask(socket(), SOON))
          .hasMessageContaining("refused the call Version");
    }
  }

  @Test
  void nobodyAndASocketThatNobodyAcceptsFromDoNotPass() throws IOException {
    assertThatThrownBy(() -> CriProbe.ask(socket(), SOON))
        .hasMessageContaining("cannot be reached");
    try (ServerSocketChannel deaf =
        ServerSocketChannel.open(java.net.StandardProtocolFamily.UNIX)) {
      deaf.bind(java.net.UnixDomainSocketAddress.of(socket()));
      assertThatThrownBy(() -> CriProbe.ask(socket(), AT_ONCE))
          .hasMessageContaining("did not answer within");
    }
  }

  @Test
  void onlyRootTheServersUserAndTheSocketsGroupAreLetIn() {
    ServerSocketHandler.PeerRule rule = ServerSocketHandler.PeerRule.of(100, 200);

    assertThat(rule.allows(0, new int[] {5})).isTrue();
    assertThat(rule.allows(100, new int[] {5})).isTrue();
    assertThat(rule.allows(7, new int[] {5, 200})).isTrue();
    assertThat(rule.allows(7, new int[] {5})).isFalse();
    assertThat(rule.allows(7, new int[0])).isFalse();
  }
}
