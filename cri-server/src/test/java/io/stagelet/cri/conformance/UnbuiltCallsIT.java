package io.stagelet.cri.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.Descriptors.MethodDescriptor;
import com.google.protobuf.DynamicMessage;
import io.grpc.CallOptions;
import io.grpc.Status;
import io.grpc.protobuf.ProtoUtils;
import io.grpc.stub.ClientCalls;
import io.stagelet.cri.v1.Api;
import java.util.Iterator;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Calls of the interface that Stagelet does not have yet say so. A call that is built leaves here.
 */
class UnbuiltCallsIT extends ConformanceSuite {
  private static final Set<String> BUILT =
      Set.of(
          "Version",
          "Status",
          "RuntimeConfig",
          "PullImage",
          "ListImages",
          "ImageStatus",
          "RemoveImage",
          "RunPodSandbox",
          "StopPodSandbox",
          "RemovePodSandbox",
          "PodSandboxStatus",
          "ListPodSandbox",
          "CreateContainer",
          "StartContainer",
          "StopContainer",
          "RemoveContainer",
          "ContainerStatus",
          "ListContainers",
          "ExecSync",
          "Exec",
          "Attach",
          "PortForward",
          "UpdateContainerResources",
          "UpdatePodSandboxResources",
          "ReopenContainerLog",
          "CheckpointContainer",
          "ContainerStats",
          "ListContainerStats",
          "StreamContainerStats",
          "PodSandboxStats",
          "ListPodSandboxStats",
          "StreamPodSandboxStats",
          "ListMetricDescriptors",
          "ListPodSandboxMetrics",
          "StreamPodSandboxMetrics",
          "StreamPodSandboxes",
          "StreamContainers",
          "StreamImages",
          "ImageFsInfo",
          "UpdateRuntimeConfig",
          "GetContainerEvents");

  UnbuiltCallsIT(NodeUnderTest node) {
    super(node);
  }

  static Stream<String> unbuilt() {
    return calls().map(MethodDescriptor::getName).filter(name -> !BUILT.contains(name));
  }

  private static Stream<MethodDescriptor> calls() {
    return Api.getDescriptor().getServices().stream()
        .flatMap(service -> service.getMethods().stream());
  }

  @ParameterizedTest
  @MethodSource("unbuilt")
  void anUnbuiltCallIsRefusedByItsName(String name) {
    stageletOnly("which calls are not built is known of Stagelet only");

    Status refusal = refusal(() -> call(name));

    assertThat(refusal.getCode()).isEqualTo(Status.Code.UNIMPLEMENTED);
    assertThat(refusal.getDescription()).contains(name);
  }

  private void call(String name) {
    MethodDescriptor described =
        calls().filter(call -> call.getName().equals(name)).findFirst().orElseThrow();
    io.grpc.MethodDescriptor<DynamicMessage, DynamicMessage> method =
        io.grpc.MethodDescriptor.<DynamicMessage, DynamicMessage>newBuilder()
            .setType(
                described.isServerStreaming()
                    ? io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING
                    : io.grpc.MethodDescriptor.MethodType.UNARY)
            .setFullMethodName(
                io.grpc.MethodDescriptor.generateFullMethodName(
                    described.getService().getFullName(), name))
            .setRequestMarshaller(
                ProtoUtils.marshaller(DynamicMessage.getDefaultInstance(described.getInputType())))
            .setResponseMarshaller(
                ProtoUtils.marshaller(DynamicMessage.getDefaultInstance(described.getOutputType())))
            .build();
    Iterator<DynamicMessage> replies =
        ClientCalls.blockingServerStreamingCall(
            cri().channel(),
            method,
            CallOptions.DEFAULT.withDeadlineAfter(10, TimeUnit.SECONDS),
            DynamicMessage.getDefaultInstance(described.getInputType()));
    replies.next();
  }
}
