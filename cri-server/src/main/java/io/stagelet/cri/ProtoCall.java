package io.stagelet.cri;

import io.stagelet.cri.v1.AttachRequest;
import io.stagelet.cri.v1.CheckpointContainerRequest;
import io.stagelet.cri.v1.ContainerStatusRequest;
import io.stagelet.cri.v1.CreateContainerRequest;
import io.stagelet.cri.v1.ExecRequest;
import io.stagelet.cri.v1.ExecSyncRequest;
import io.stagelet.cri.v1.PodSandboxMetadata;
import io.stagelet.cri.v1.PodSandboxStatusRequest;
import io.stagelet.cri.v1.PortForwardRequest;
import io.stagelet.cri.v1.PullImageRequest;
import io.stagelet.cri.v1.RemoveContainerRequest;
import io.stagelet.cri.v1.RemoveImageRequest;
import io.stagelet.cri.v1.RemovePodSandboxRequest;
import io.stagelet.cri.v1.ReopenContainerLogRequest;
import io.stagelet.cri.v1.RunPodSandboxRequest;
import io.stagelet.cri.v1.StartContainerRequest;
import io.stagelet.cri.v1.StopContainerRequest;
import io.stagelet.cri.v1.StopPodSandboxRequest;
import io.stagelet.cri.v1.UpdateContainerResourcesRequest;
import io.stagelet.cri.v1.UpdatePodSandboxResourcesRequest;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * What a call of CRI is about.
 *
 * @param words such as {@code container web of pod default/web-0}; empty when it is about nothing
 *     in particular
 * @param fields the journal fields of that
 */
record ProtoCall(String words, Map<String, String> fields) {
  private static final ProtoCall NOTHING = new ProtoCall("", Map.of());

  /** Looks at a request; what it names is looked up among the pods that there are. */
  static ProtoCall of(Object request, Pods pods) {
    return switch (request) {
      case RunPodSandboxRequest run -> pod(run.getConfig().getMetadata());
      case StopPodSandboxRequest stop -> sandbox(stop.getPodSandboxId(), pods);
      case RemovePodSandboxRequest remove -> sandbox(remove.getPodSandboxId(), pods);
      case PodSandboxStatusRequest status -> sandbox(status.getPodSandboxId(), pods);
      case UpdatePodSandboxResourcesRequest update -> sandbox(update.getPodSandboxId(), pods);
      case PortForwardRequest forward -> sandbox(forward.getPodSandboxId(), pods);
      case CreateContainerRequest create ->
          newContainer(
              create.getConfig().getMetadata().getName(), sandbox(create.getPodSandboxId(), pods));
      case StartContainerRequest start -> container(start.getContainerId(), pods);
      case StopContainerRequest stop -> container(stop.getContainerId(), pods);
      case RemoveContainerRequest remove -> container(remove.getContainerId(), pods);
      case ContainerStatusRequest status -> container(status.getContainerId(), pods);
      case UpdateContainerResourcesRequest update -> container(update.getContainerId(), pods);
      case ReopenContainerLogRequest reopen -> container(reopen.getContainerId(), pods);
      case CheckpointContainerRequest checkpoint -> container(checkpoint.getContainerId(), pods);
      case ExecSyncRequest exec -> container(exec.getContainerId(), pods);
      case ExecRequest exec -> container(exec.getContainerId(), pods);
      case AttachRequest attach -> container(attach.getContainerId(), pods);
      case PullImageRequest pull ->
          image(pull.getImage().getImage(), pod(pull.getSandboxConfig().getMetadata()));
      case RemoveImageRequest remove -> image(remove.getImage().getImage(), NOTHING);
      default -> NOTHING;
    };
  }

  /** Metadata that does not say which pod it is (an image may be pulled for none) tells nothing. */
  private static ProtoCall pod(PodSandboxMetadata metadata) {
    return metadata.getName().isEmpty()
            || metadata.getNamespace().isEmpty()
            || metadata.getUid().isEmpty()
        ? NOTHING
        : pod(ProtoSandbox.key(metadata));
  }

  private static ProtoCall pod(SandboxRecord.PodKey key) {
    return new ProtoCall("pod %s/%s".formatted(key.namespace(), key.name()), StoryFields.of(key));
  }

  private static ProtoCall sandbox(String id, Pods pods) {
    Optional<Sandbox> known = pods.findSandbox(id);
    return known
        .map(sandbox -> new ProtoCall(pod(sandbox.record().key()).words(), StoryFields.of(sandbox)))
        .orElseGet(() -> new ProtoCall("sandbox " + id, Map.of("POD_ID", id)));
  }

  private static ProtoCall newContainer(String name, ProtoCall pod) {
    Map<String, String> fields = new LinkedHashMap<>(pod.fields());
    fields.put("K8S_CONTAINER_NAME", name);
    return new ProtoCall("container %s of %s".formatted(name, pod.words()), fields);
  }

  private static ProtoCall container(String id, Pods pods) {
    return pods.findContainer(id)
        .map(container ->
            new ProtoCall(
                "container %s of %s"
                    .formatted(
                        container.plan().name(), pod(container.sandbox().record().key()).words()),
                StoryFields.of(container)))
        .orElseGet(() -> new ProtoCall("container " + id, Map.of("CONTAINER_ID_FULL", id)));
  }

  private static ProtoCall image(String reference, ProtoCall pod) {
    Map<String, String> fields = new LinkedHashMap<>(pod.fields());
    fields.put("IMAGE_NAME", reference);
    String words = "image " + reference;
    return new ProtoCall(pod.words().isEmpty() ? words : words + " for " + pod.words(), fields);
  }
}
