package io.stagelet.cri;

import io.grpc.ForwardingServerCall.SimpleForwardingServerCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.stagelet.cri.measure.Timings;

/**
 * Times each call. A stream of events goes on for as long as somebody listens, and is not timed.
 */
final class CallTimes implements ServerInterceptor {
  private static final String EVENTS = "GetContainerEvents";

  private final Timings calls;

  CallTimes(Timings calls) {
    this.calls = calls;
  }

  @Override
  public <Q, R> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
    MethodDescriptor<Q, R> method = call.getMethodDescriptor();
    String name = String.valueOf(method.getBareMethodName());
    if (name.equals(EVENTS)) {
      return next.startCall(call, headers);
    }
    Timings.Work work = calls.begin("", name);
    return next.startCall(
        new SimpleForwardingServerCall<>(call) {
          @Override
          public void close(Status status, Metadata trailers) {
            work.end(status.getCode().name());
            super.close(status, trailers);
          }
        },
        headers);
  }
}
