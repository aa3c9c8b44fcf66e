package io.stagelet.cri;

import io.grpc.ForwardingServerCall.SimpleForwardingServerCall;
import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.stagelet.journal.Story;
import io.stagelet.journal.StoryEvent;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;
import org.slf4j.spi.LoggingEventBuilder;

/**
 * Tells the journal of each call: that it was asked for, what it was about, and how it was
 * answered. All that is logged while a call is worked on carries the fields of its pod or container
 * and the call's own ({@code CRI_CALL}, {@code CRI_CALL_ID}).
 *
 * <p>Calls that only look are told at the level debug, and so are their failures that kubelet
 * expects.
 */
final class CallStory implements ServerInterceptor {
  private static final Logger LOG = LoggerFactory.getLogger(CallStory.class);

  /** What changes something. */
  private static final Set<String> CHANGES =
      Set.of(
          "RunPodSandbox",
          "StopPodSandbox",
          "RemovePodSandbox",
          "UpdatePodSandboxResources",
          "CreateContainer",
          "StartContainer",
          "StopContainer",
          "RemoveContainer",
          "UpdateContainerResources",
          "ReopenContainerLog",
          "CheckpointContainer",
          "CheckpointPod",
          "RestorePod",
          "Exec",
          "Attach",
          "PortForward",
          "PullImage",
          "RemoveImage");

  private final Pods pods;

  CallStory(Pods pods) {
    this.pods = pods;
  }

  @Override
  public <Q, R> ServerCall.Listener<Q> interceptCall(
      ServerCall<Q, R> call, Metadata headers, ServerCallHandler<Q, R> next) {
    Told told = new Told(String.valueOf(call.getMethodDescriptor().getBareMethodName()));
    ServerCall<Q, R> answered =
        new SimpleForwardingServerCall<>(call) {
          @Override
          public void close(Status status, Metadata trailers) {
            told.answered(status);
            super.close(status, trailers);
          }
        };
    return new SimpleForwardingServerCallListener<>(next.startCall(answered, headers)) {
      @Override
      public void onMessage(Q request) {
        told.about(ProtoCall.of(request, pods));
        super.onMessage(request);
      }

      @Override
      public void onHalfClose() {
        // a call with one request is worked on in here
        Story.about(
            told.fields(),
            () -> {
              told.asked();
              super.onHalfClose();
            });
      }
    };
  }

  /** One call; used by one thread after the other, as gRPC has it. */
  private static final class Told {
    private final String name;
    private final String id = UUID.randomUUID().toString().replace("-", "");
    private final long begin = System.nanoTime();
    private ProtoCall subject = new ProtoCall("", Map.of());

    Told(String name) {
      this.name = name;
    }

    void about(ProtoCall call) {
      subject = call;
    }

    Map<String, String> fields() {
      Map<String, String> fields = new LinkedHashMap<>(subject.fields());
      fields.put("CRI_CALL", name);
      fields.put("CRI_CALL_ID", id);
      return fields;
    }

    void asked() {
      event(StoryEvent.CALL_ASKED, changes() ? Level.INFO : Level.DEBUG)
          .log("{} was asked for{}", name, subjectAfter(": "));
    }

    void answered(Status status) {
      long milliseconds = Duration.ofNanos(System.nanoTime() - begin).toMillis();
      Story.about(
          fields(),
          () -> {
            if (status.isOk()) {
              event(StoryEvent.CALL_ANSWERED, changes() ? Level.INFO : Level.DEBUG)
                  .addKeyValue("CRI_MILLISECONDS", milliseconds)
                  .log("{} is done{}, after {} ms", name, subjectAfter(": "), milliseconds);
            } else {
              LoggingEventBuilder failed =
                  event(StoryEvent.CALL_FAILED, gravity(status))
                      .addKeyValue("CRI_MILLISECONDS", milliseconds)
                      .addKeyValue("CRI_STATUS", status.getCode());
              if (status.getCause() != null) {
                failed = failed.setCause(status.getCause());
              }
              failed.log(
                  "{} failed{}, after {} ms ({}): {}",
                  name,
                  subjectAfter(" for "),
                  milliseconds,
                  status.getCode(),
                  status.getDescription());
            }
          });
    }

    private boolean changes() {
      return CHANGES.contains(name);
    }

    private String subjectAfter(String words) {
      return subject.words().isEmpty() ? "" : words + subject.words();
    }

    /**
     * What was said to be asked for is said to be answered. NOT_FOUND is an ordinary answer where
     * kubelet stops or removes what it has removed already, and a client that went away wants none.
     */
    private Level gravity(Status status) {
      boolean ordinary =
          switch (status.getCode()) {
            case NOT_FOUND -> !changes() || name.startsWith("Stop") || name.startsWith("Remove");
            case CANCELLED -> true;
            default -> false;
          };
      return !ordinary ? Level.ERROR : changes() ? Level.INFO : Level.DEBUG;
    }

    private static LoggingEventBuilder event(StoryEvent event, Level level) {
      return event.on(LOG, level);
    }
  }
}
