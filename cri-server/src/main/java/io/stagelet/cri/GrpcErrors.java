package io.stagelet.cri;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.function.Supplier;

/** The one place where failures become gRPC statuses, and are said in the log. */
final class GrpcErrors {
  private GrpcErrors() {}

  /** Answers a unary call with what {@code work} gives, or with the status of its failure. */
  static <T> void answer(String call, StreamObserver<T> observer, Supplier<T> work) {
    T reply;
    try {
      reply = work.get();
    } catch (RuntimeException | Error failure) {
      observer.onError(status(call, failure));
      return;
    }
    observer.onNext(reply);
    observer.onCompleted();
  }

  /** The status of a failure. */
  static StatusRuntimeException status(String call, Throwable failure) {
    if (failure instanceof StageletException known) {
      return of(known.code())
          .withDescription(StageletException.reason(known))
          .withCause(known)
          .asRuntimeException();
    }
    return Status.INTERNAL
        .withDescription(
            "%s failed in a way nobody foresaw: %s; the journal of stagelet has the details"
                .formatted(call, failure))
        .withCause(failure)
        .asRuntimeException();
  }

  private static Status of(ErrorCode code) {
    return switch (code) {
      case INVALID_ARGUMENT -> Status.INVALID_ARGUMENT;
      case NOT_FOUND -> Status.NOT_FOUND;
      case ALREADY_EXISTS -> Status.ALREADY_EXISTS;
      case FAILED_PRECONDITION -> Status.FAILED_PRECONDITION;
      case PERMISSION_DENIED -> Status.PERMISSION_DENIED;
      case RESOURCE_EXHAUSTED -> Status.RESOURCE_EXHAUSTED;
      case UNAVAILABLE -> Status.UNAVAILABLE;
      case DEADLINE_EXCEEDED -> Status.DEADLINE_EXCEEDED;
      case CANCELLED -> Status.CANCELLED;
      case UNIMPLEMENTED -> Status.UNIMPLEMENTED;
      case DATA_LOSS -> Status.DATA_LOSS;
      case INTERNAL -> Status.INTERNAL;
    };
  }
}
