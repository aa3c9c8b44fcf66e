package io.stagelet.cri;

import com.google.protobuf.ByteString;
import io.grpc.stub.StreamObserver;
import io.stagelet.cri.v1.AttachRequest;
import io.stagelet.cri.v1.AttachResponse;
import io.stagelet.cri.v1.CgroupDriver;
import io.stagelet.cri.v1.CheckpointContainerRequest;
import io.stagelet.cri.v1.CheckpointContainerResponse;
import io.stagelet.cri.v1.ContainerFilter;
import io.stagelet.cri.v1.ContainerStatusRequest;
import io.stagelet.cri.v1.ContainerStatusResponse;
import io.stagelet.cri.v1.CreateContainerRequest;
import io.stagelet.cri.v1.CreateContainerResponse;
import io.stagelet.cri.v1.ExecRequest;
import io.stagelet.cri.v1.ExecResponse;
import io.stagelet.cri.v1.ExecSyncRequest;
import io.stagelet.cri.v1.ExecSyncResponse;
import io.stagelet.cri.v1.LinuxRuntimeConfiguration;
import io.stagelet.cri.v1.ListContainersRequest;
import io.stagelet.cri.v1.ListContainersResponse;
import io.stagelet.cri.v1.ListPodSandboxRequest;
import io.stagelet.cri.v1.ListPodSandboxResponse;
import io.stagelet.cri.v1.PodSandboxFilter;
import io.stagelet.cri.v1.PodSandboxStatusRequest;
import io.stagelet.cri.v1.PodSandboxStatusResponse;
import io.stagelet.cri.v1.PortForwardRequest;
import io.stagelet.cri.v1.PortForwardResponse;
import io.stagelet.cri.v1.RemoveContainerRequest;
import io.stagelet.cri.v1.RemoveContainerResponse;
import io.stagelet.cri.v1.RemovePodSandboxRequest;
import io.stagelet.cri.v1.RemovePodSandboxResponse;
import io.stagelet.cri.v1.ReopenContainerLogRequest;
import io.stagelet.cri.v1.ReopenContainerLogResponse;
import io.stagelet.cri.v1.RunPodSandboxRequest;
import io.stagelet.cri.v1.RunPodSandboxResponse;
import io.stagelet.cri.v1.RuntimeCondition;
import io.stagelet.cri.v1.RuntimeConfigRequest;
import io.stagelet.cri.v1.RuntimeConfigResponse;
import io.stagelet.cri.v1.RuntimeFeatures;
import io.stagelet.cri.v1.RuntimeHandler;
import io.stagelet.cri.v1.RuntimeHandlerFeatures;
import io.stagelet.cri.v1.RuntimeStatus;
import io.stagelet.cri.v1.StartContainerRequest;
import io.stagelet.cri.v1.StartContainerResponse;
import io.stagelet.cri.v1.StatusRequest;
import io.stagelet.cri.v1.StatusResponse;
import io.stagelet.cri.v1.StopContainerRequest;
import io.stagelet.cri.v1.StopContainerResponse;
import io.stagelet.cri.v1.StopPodSandboxRequest;
import io.stagelet.cri.v1.StopPodSandboxResponse;
import io.stagelet.cri.v1.UpdateContainerResourcesRequest;
import io.stagelet.cri.v1.UpdateContainerResourcesResponse;
import io.stagelet.cri.v1.UpdatePodSandboxResourcesRequest;
import io.stagelet.cri.v1.UpdatePodSandboxResourcesResponse;
import io.stagelet.cri.v1.UpdateRuntimeConfigRequest;
import io.stagelet.cri.v1.UpdateRuntimeConfigResponse;
import io.stagelet.cri.v1.VersionRequest;
import io.stagelet.cri.v1.VersionResponse;
import io.stagelet.journal.Relay;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.spi.Stage1;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;

/**
 * CRI's RuntimeService. Calls that are not built yet are left to the generated base, which answers
 * UNIMPLEMENTED and names them.
 */
final class RuntimeRpc extends StatisticsRpc {
  /**
   * kubelet's own version of the API, which it has compared with since 2016 (not the package's v1).
   */
  private static final String KUBELET_API_VERSION = "0.1.0";

  private static final String API_VERSION = "v1";

  private final String version;
  private final Handlers handlers;
  private final Pods pods;
  private final SandboxLifecycle sandboxes;
  private final ContainerLifecycle containers;
  private final ExecSync execSync;
  private final Streaming streaming;
  private final Relay relay;
  private final Cni cni;
  private final PodRanges podRanges;

  RuntimeRpc(
      String version,
      Handlers handlers,
      Pods pods,
      SandboxLifecycle sandboxes,
      ContainerLifecycle containers,
      ExecSync execSync,
      Streaming streaming,
      Relay relay,
      Cni cni,
      PodRanges podRanges,
      Statistics statistics,
      LifeEvents events) {
    super(pods, statistics, events);
    this.version = version;
    this.handlers = handlers;
    this.pods = pods;
    this.sandboxes = sandboxes;
    this.containers = containers;
    this.execSync = execSync;
    this.streaming = streaming;
    this.relay = relay;
    this.cni = cni;
    this.podRanges = podRanges;
  }

  @Override
  public void version(VersionRequest request, StreamObserver<VersionResponse> observer) {
    GrpcErrors.answer(
        "Version",
        observer,
        () ->
            VersionResponse.newBuilder()
                .setVersion(KUBELET_API_VERSION)
                .setRuntimeName("stagelet")
                .setRuntimeVersion(version)
                .setRuntimeApiVersion(API_VERSION)
                .build());
  }

  @Override
  public void status(StatusRequest request, StreamObserver<StatusResponse> observer) {
    GrpcErrors.answer("Status", observer, () -> status(request.getVerbose()));
  }

  private StatusResponse status(boolean verbose) {
    Optional<String> noRuntime =
        Optional.ofNullable(handlers.refused().get(handlers.defaultHandler()))
            .map(reason ->
                "the default handler '%s' cannot be used: %s"
                    .formatted(handlers.defaultHandler(), reason));
    StatusResponse.Builder response =
        StatusResponse.newBuilder()
            .setStatus(
                RuntimeStatus.newBuilder()
                    .addConditions(condition("RuntimeReady", "HandlerNotUsable", noRuntime))
                    .addConditions(
                        condition("NetworkReady", "NetworkPluginNotReady", cni.unreadiness())))
            .setFeatures(RuntimeFeatures.newBuilder().setSupplementalGroupsPolicy(true));
    Map<String, Stage1> usable = handlers.usable();
    Optional.ofNullable(usable.get(handlers.defaultHandler()))
        .ifPresent(stage1 -> response.addRuntimeHandlers(handler("", stage1)));
    usable.forEach((name, stage1) -> response.addRuntimeHandlers(handler(name, stage1)));
    if (verbose) {
      handlers.refused().forEach((name, reason) -> response.putInfo("handler " + name, reason));
      cni.unreadinessOfHandlers()
          .forEach((name, reason) -> response.putInfo("network of handler " + name, reason));
      response.putInfo("sandboxes", String.valueOf(pods.sandboxes().size()));
      response.putInfo("containers", String.valueOf(pods.containers().size()));
    }
    return response.build();
  }

  private static RuntimeCondition condition(String type, String reason, Optional<String> problem) {
    RuntimeCondition.Builder condition =
        RuntimeCondition.newBuilder().setType(type).setStatus(problem.isEmpty());
    problem.ifPresent(words -> condition.setReason(reason).setMessage(words));
    return condition.build();
  }

  private static RuntimeHandler handler(String name, Stage1 stage1) {
    return RuntimeHandler.newBuilder()
        .setName(name)
        .setFeatures(
            RuntimeHandlerFeatures.newBuilder()
                .setRecursiveReadOnlyMounts(
                    stage1.features().contains(Stage1.Feature.RECURSIVE_READ_ONLY_MOUNTS))
                .setUserNamespaces(stage1.features().contains(Stage1.Feature.USER_NAMESPACES)))
        .build();
  }

  @Override
  public void runtimeConfig(
      RuntimeConfigRequest request, StreamObserver<RuntimeConfigResponse> observer) {
    GrpcErrors.answer(
        "RuntimeConfig",
        observer,
        () ->
            RuntimeConfigResponse.newBuilder()
                .setLinux(
                    LinuxRuntimeConfiguration.newBuilder().setCgroupDriver(CgroupDriver.SYSTEMD))
                .build());
  }

  /**
   * kubelet tells the pod network's ranges here, once; plugins that do not have them from their own
   * configuration are told them with each sandbox.
   */
  @Override
  public void updateRuntimeConfig(
      UpdateRuntimeConfigRequest request, StreamObserver<UpdateRuntimeConfigResponse> observer) {
    GrpcErrors.answer(
        "UpdateRuntimeConfig",
        observer,
        () -> {
          podRanges.become(request.getRuntimeConfig().getNetworkConfig().getPodCidr());
          return UpdateRuntimeConfigResponse.getDefaultInstance();
        });
  }

  @Override
  public void runPodSandbox(
      RunPodSandboxRequest request, StreamObserver<RunPodSandboxResponse> observer) {
    GrpcErrors.answer(
        "RunPodSandbox",
        observer,
        () ->
            RunPodSandboxResponse.newBuilder()
                .setPodSandboxId(
                    sandboxes
                        .run(ProtoSandbox.request(request.getConfig(), request.getRuntimeHandler()))
                        .id()
                        .value())
                .build());
  }

  @Override
  public void stopPodSandbox(
      StopPodSandboxRequest request, StreamObserver<StopPodSandboxResponse> observer) {
    GrpcErrors.answer(
        "StopPodSandbox",
        observer,
        () -> {
          pods.findSandbox(request.getPodSandboxId()).ifPresent(sandboxes::stop);
          return StopPodSandboxResponse.getDefaultInstance();
        });
  }

  @Override
  public void removePodSandbox(
      RemovePodSandboxRequest request, StreamObserver<RemovePodSandboxResponse> observer) {
    GrpcErrors.answer(
        "RemovePodSandbox",
        observer,
        () -> {
          pods.findSandbox(request.getPodSandboxId()).ifPresent(sandboxes::remove);
          return RemovePodSandboxResponse.getDefaultInstance();
        });
  }

  @Override
  public void podSandboxStatus(
      PodSandboxStatusRequest request, StreamObserver<PodSandboxStatusResponse> observer) {
    GrpcErrors.answer(
        "PodSandboxStatus",
        observer,
        () -> {
          Sandbox sandbox = pods.sandbox(request.getPodSandboxId());
          PodSandboxStatusResponse.Builder response =
              PodSandboxStatusResponse.newBuilder()
                  .setStatus(ProtoSandbox.status(sandbox.record()));
          if (request.getVerbose()) {
            response.putInfo("unit", sandbox.unit());
            response.putInfo("slice", sandbox.plan().slice());
            response.putInfo("handler", sandbox.record().handler());
            response.putInfo("resources", sandbox.record().resources().json());
            sandbox
                .record()
                .network()
                .ifPresent(network -> response.putInfo("cniResult", network.result()));
          }
          return response.build();
        });
  }

  @Override
  public void listPodSandbox(
      ListPodSandboxRequest request, StreamObserver<ListPodSandboxResponse> observer) {
    GrpcErrors.answer(
        "ListPodSandbox",
        observer,
        () -> {
          PodSandboxFilter filter = request.getFilter();
          return ListPodSandboxResponse.newBuilder()
              .addAllItems(
                  pods.sandboxes().stream()
                      .map(Sandbox::record)
                      .filter(sandbox -> ProtoSandbox.matches(filter, sandbox))
                      .map(ProtoSandbox::listed)
                      .toList())
              .build();
        });
  }

  @Override
  public void createContainer(
      CreateContainerRequest request, StreamObserver<CreateContainerResponse> observer) {
    GrpcErrors.answer(
        "CreateContainer",
        observer,
        () -> {
          Sandbox sandbox = pods.sandbox(request.getPodSandboxId());
          return CreateContainerResponse.newBuilder()
              .setContainerId(
                  containers
                      .create(ProtoContainer.request(sandbox.id(), request.getConfig()))
                      .id()
                      .value())
              .build();
        });
  }

  @Override
  public void startContainer(
      StartContainerRequest request, StreamObserver<StartContainerResponse> observer) {
    GrpcErrors.answer(
        "StartContainer",
        observer,
        () -> {
          containers.start(pods.container(request.getContainerId()));
          return StartContainerResponse.getDefaultInstance();
        });
  }

  @Override
  public void stopContainer(
      StopContainerRequest request, StreamObserver<StopContainerResponse> observer) {
    GrpcErrors.answer(
        "StopContainer",
        observer,
        () -> {
          Duration timeout = Duration.ofSeconds(Math.max(0, request.getTimeout()));
          pods.findContainer(request.getContainerId())
              .ifPresent(container -> containers.stop(container, timeout));
          return StopContainerResponse.getDefaultInstance();
        });
  }

  @Override
  public void removeContainer(
      RemoveContainerRequest request, StreamObserver<RemoveContainerResponse> observer) {
    GrpcErrors.answer(
        "RemoveContainer",
        observer,
        () -> {
          pods.findContainer(request.getContainerId()).ifPresent(containers::remove);
          return RemoveContainerResponse.getDefaultInstance();
        });
  }

  @Override
  public void containerStatus(
      ContainerStatusRequest request, StreamObserver<ContainerStatusResponse> observer) {
    GrpcErrors.answer(
        "ContainerStatus",
        observer,
        () -> {
          Container container = pods.container(request.getContainerId());
          ContainerStatusResponse.Builder response =
              ContainerStatusResponse.newBuilder()
                  .setStatus(ProtoContainer.status(container.record()));
          if (request.getVerbose()) {
            response.putInfo("unit", container.unit());
            response.putInfo("sandboxID", container.sandbox().id().value());
            response.putInfo("rootfs", container.plan().rootfs().toString());
            if (container.stage1().state(container.plan())
                instanceof io.stagelet.stage0.spi.ContainerState.Running running) {
              response.putInfo("pid", String.valueOf(running.pid()));
            }
          }
          return response.build();
        });
  }

  @Override
  public void listContainers(
      ListContainersRequest request, StreamObserver<ListContainersResponse> observer) {
    GrpcErrors.answer(
        "ListContainers",
        observer,
        () -> {
          ContainerFilter filter = request.getFilter();
          return ListContainersResponse.newBuilder()
              .addAllContainers(
                  pods.containers().stream()
                      .map(Container::record)
                      .filter(container -> ProtoContainer.matches(filter, container))
                      .map(ProtoContainer::listed)
                      .toList())
              .build();
        });
  }

  @Override
  public void updateContainerResources(
      UpdateContainerResourcesRequest request,
      StreamObserver<UpdateContainerResourcesResponse> observer) {
    GrpcErrors.answer(
        "UpdateContainerResources",
        observer,
        () -> {
          containers.update(
              pods.container(request.getContainerId()),
              ProtoContainer.resources(request.getLinux()));
          return UpdateContainerResourcesResponse.getDefaultInstance();
        });
  }

  @Override
  public void updatePodSandboxResources(
      UpdatePodSandboxResourcesRequest request,
      StreamObserver<UpdatePodSandboxResourcesResponse> observer) {
    GrpcErrors.answer(
        "UpdatePodSandboxResources",
        observer,
        () -> {
          sandboxes.update(
              pods.sandbox(request.getPodSandboxId()),
              new PodResources(
                  ProtoContainer.resources(request.getResources()),
                  ProtoContainer.resources(request.getOverhead())));
          return UpdatePodSandboxResourcesResponse.getDefaultInstance();
        });
  }

  @Override
  public void checkpointContainer(
      CheckpointContainerRequest request, StreamObserver<CheckpointContainerResponse> observer) {
    GrpcErrors.answer(
        "CheckpointContainer",
        observer,
        () -> {
          containers.checkpoint(
              pods.container(request.getContainerId()),
              Path.of(request.getLocation()),
              Duration.ofSeconds(Math.max(0, request.getTimeout())));
          return CheckpointContainerResponse.getDefaultInstance();
        });
  }

  @Override
  public void reopenContainerLog(
      ReopenContainerLogRequest request, StreamObserver<ReopenContainerLogResponse> observer) {
    GrpcErrors.answer(
        "ReopenContainerLog",
        observer,
        () -> {
          Container container = pods.container(request.getContainerId());
          if (!(container.record().life() instanceof ContainerRecord.Running)) {
            throw new StageletException(
                ErrorCode.FAILED_PRECONDITION,
                "the log of container %s cannot be reopened: it is not running"
                    .formatted(container.id().shortened()));
          }
          relay.reopenLog(container.id().value());
          return ReopenContainerLogResponse.getDefaultInstance();
        });
  }

  @Override
  public void exec(ExecRequest request, StreamObserver<ExecResponse> observer) {
    GrpcErrors.answer(
        "Exec",
        observer,
        () ->
            ExecResponse.newBuilder()
                .setUrl(
                    streaming.exec(
                        pods.container(request.getContainerId()),
                        request.getCmdList(),
                        new Streaming.Wish(
                            request.getStdin(),
                            request.getStdout(),
                            request.getStderr(),
                            request.getTty())))
                .build());
  }

  @Override
  public void attach(AttachRequest request, StreamObserver<AttachResponse> observer) {
    GrpcErrors.answer(
        "Attach",
        observer,
        () ->
            AttachResponse.newBuilder()
                .setUrl(
                    streaming.attach(
                        pods.container(request.getContainerId()),
                        new Streaming.Wish(
                            request.getStdin(),
                            request.getStdout(),
                            request.getStderr(),
                            request.getTty())))
                .build());
  }

  @Override
  public void portForward(
      PortForwardRequest request, StreamObserver<PortForwardResponse> observer) {
    GrpcErrors.answer(
        "PortForward",
        observer,
        () ->
            PortForwardResponse.newBuilder()
                .setUrl(
                    streaming.portForward(
                        pods.sandbox(request.getPodSandboxId()), request.getPortList()))
                .build());
  }

  @Override
  public void execSync(ExecSyncRequest request, StreamObserver<ExecSyncResponse> observer) {
    GrpcErrors.answer(
        "ExecSync",
        observer,
        () -> {
          ExecSync.Outcome outcome =
              execSync.run(
                  pods.container(request.getContainerId()),
                  request.getCmdList(),
                  Duration.ofSeconds(Math.max(0, request.getTimeout())));
          return ExecSyncResponse.newBuilder()
              .setStdout(ByteString.copyFrom(outcome.output()))
              .setStderr(ByteString.copyFrom(outcome.errors()))
              .setExitCode(outcome.exitCode())
              .build();
        });
  }
}
