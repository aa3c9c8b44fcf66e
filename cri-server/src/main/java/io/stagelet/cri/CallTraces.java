package io.stagelet.cri;

import io.grpc.ForwardingServerCall.SimpleForwardingServerCall;
import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.stagelet.cri.trace.Traces;
import io.stagelet.journal.Story;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Makes a span of each call. A stream of events goes on for as long as somebody listens, and is
 * none. The call's id is the journal's: {@code journalctl CRI_CALL_ID=…} has what was said in it.
 */
final class CallTraces implements ServerInterceptor {
  private static final Metadata.Key<String> TRACEPARENT =
      Metadata.Key.of("traceparent", Metadata.ASCII_STRING_MARSHALLER);
  private static final String EVENTS = "GetContainerEvents";

  /** What the journal calls it, and what OpenTelemetry does. */
  private static final Map<String, String> NAMES =
      Map.of(
          "K8S_NAMESPACE_NAME", "k8s.namespace.name",
          "K8S_POD_NAME", "k8s.pod.name",
          "K8S_POD_UID", "k8s.pod.uid",
          "K8S_CONTAINER_NAME", "k8s.container.name",
          "CONTAINER_ID_FULL", "container.id",
          "POD_ID", "stagelet.sandbox.id",
          "OBJECT_SYSTEMD_UNIT", "stagelet.unit",
          "IMAGE_NAME", "container.image.name",
          "CRI_CALL_ID", "stagelet.call.id");

  private final Traces traces;

  CallTraces(Traces traces) {
    this.traces = traces;
  }

  @Override
  public <Q, R> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
    String method = String.valueOf(call.getMethodDescriptor().getBareMethodName());
    if (method.equals(EVENTS)) {
      return next.startCall(call, headers);
    }
    Map<String, String> attributes = new LinkedHashMap<>();
    attributes.put("rpc.system", "grpc");
    attributes.put("rpc.service", String.valueOf(call.getMethodDescriptor().getServiceName()));
    attributes.put("rpc.method", method);
    Traces.Call traced =
        traces.call(
            call.getMethodDescriptor().getFullMethodName(),
            Optional.ofNullable(headers.get(TRACEPARENT)));
    ServerCall<Q, R> answered =
        new SimpleForwardingServerCall<>(call) {
          @Override
          public void close(Status status, Metadata trailers) {
            attributes.put("rpc.response.status_code", status.getCode().name());
            traced.end(
                attributes,
                status.isOk()
                    ? Optional.empty()
                    : Optional.of(String.valueOf(status.getDescription())));
            super.close(status, trailers);
          }
        };
    return new SimpleForwardingServerCallListener<>(next.startCall(answered, headers)) {
      @Override
      public void onHalfClose() {
        Story.fields()
            .forEach((field, value) -> {
              if (NAMES.containsKey(field)) {
                attributes.put(NAMES.get(field), value);
              }
            });
        traced.within(super::onHalfClose);
      }
    };
  }
}
