package io.stagelet.cri.conformance;

import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.EpollDomainSocketChannel;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.unix.DomainSocketAddress;
import io.stagelet.cri.v1.AuthConfig;
import io.stagelet.cri.v1.Container;
import io.stagelet.cri.v1.ContainerConfig;
import io.stagelet.cri.v1.ContainerFilter;
import io.stagelet.cri.v1.ContainerStatus;
import io.stagelet.cri.v1.ContainerStatusRequest;
import io.stagelet.cri.v1.CreateContainerRequest;
import io.stagelet.cri.v1.ExecSyncRequest;
import io.stagelet.cri.v1.ExecSyncResponse;
import io.stagelet.cri.v1.Image;
import io.stagelet.cri.v1.ImageFilter;
import io.stagelet.cri.v1.ImageServiceGrpc;
import io.stagelet.cri.v1.ImageServiceGrpc.ImageServiceBlockingStub;
import io.stagelet.cri.v1.ImageSpec;
import io.stagelet.cri.v1.ImageStatusRequest;
import io.stagelet.cri.v1.ImageStatusResponse;
import io.stagelet.cri.v1.ListContainersRequest;
import io.stagelet.cri.v1.ListImagesRequest;
import io.stagelet.cri.v1.ListPodSandboxRequest;
import io.stagelet.cri.v1.PodSandbox;
import io.stagelet.cri.v1.PodSandboxConfig;
import io.stagelet.cri.v1.PodSandboxFilter;
import io.stagelet.cri.v1.PodSandboxStatus;
import io.stagelet.cri.v1.PodSandboxStatusRequest;
import io.stagelet.cri.v1.PodSandboxStatusResponse;
import io.stagelet.cri.v1.PullImageRequest;
import io.stagelet.cri.v1.RemoveContainerRequest;
import io.stagelet.cri.v1.RemoveImageRequest;
import io.stagelet.cri.v1.RemovePodSandboxRequest;
import io.stagelet.cri.v1.ReopenContainerLogRequest;
import io.stagelet.cri.v1.RunPodSandboxRequest;
import io.stagelet.cri.v1.RuntimeServiceGrpc;
import io.stagelet.cri.v1.RuntimeServiceGrpc.RuntimeServiceBlockingStub;
import io.stagelet.cri.v1.StartContainerRequest;
import io.stagelet.cri.v1.StatusRequest;
import io.stagelet.cri.v1.StatusResponse;
import io.stagelet.cri.v1.StopContainerRequest;
import io.stagelet.cri.v1.StopPodSandboxRequest;
import io.stagelet.cri.v1.UpdateContainerResourcesRequest;
import io.stagelet.cri.v1.UpdatePodSandboxResourcesRequest;
import io.stagelet.cri.v1.VersionRequest;
import io.stagelet.cri.v1.VersionResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * Speaks CRI to a unix socket as kubelet does: authority "localhost", at most 16 MiB in one reply,
 * and kubelet's deadline for each call (none for a pull). Every method is one call, blocks, and
 * throws {@link io.grpc.StatusRuntimeException} when it is refused. For any number of threads.
 */
final class CriClient implements AutoCloseable {
  private static final int LARGEST_REPLY = 16 << 20;
  private static final Duration CALL = Duration.ofMinutes(2);
  private static final Duration RUN_POD_SANDBOX = Duration.ofMinutes(4);

  private final EventLoopGroup eventLoop;
  private final ExecutorService executor;
  private final ManagedChannel channel;

  /** Connects when the first call is made. */
  CriClient(Path socket) {
    eventLoop = new MultiThreadIoEventLoopGroup(1, EpollIoHandler.newFactory());
    executor = Executors.newVirtualThreadPerTaskExecutor();
    channel =
        NettyChannelBuilder.forAddress(new DomainSocketAddress(socket.toString()))
            .eventLoopGroup(eventLoop)
            .channelType(EpollDomainSocketChannel.class)
            .executor(executor)
            .overrideAuthority("localhost")
            .usePlaintext()
            .maxInboundMessageSize(LARGEST_REPLY)
            .build();
  }

  /**
   * The runtime's service, for calls that have no method here; each call within {@code deadline}.
   */
  RuntimeServiceBlockingStub runtime(Duration deadline) {
    return RuntimeServiceGrpc.newBlockingStub(channel)
        .withDeadlineAfter(deadline.toMillis(), TimeUnit.MILLISECONDS);
  }

  /** The image service, for calls that have no method here; each call within {@code deadline}. */
  ImageServiceBlockingStub images(Duration deadline) {
    return ImageServiceGrpc.newBlockingStub(channel)
        .withDeadlineAfter(deadline.toMillis(), TimeUnit.MILLISECONDS);
  }

  /** The channel itself, for calls by descriptor. */
  ManagedChannel channel() {
    return channel;
  }

  VersionResponse version() {
    return runtime(CALL).version(VersionRequest.newBuilder().setVersion("0.1.0").build());
  }

  StatusResponse status(boolean verbose) {
    return runtime(CALL).status(StatusRequest.newBuilder().setVerbose(verbose).build());
  }

  /** Pulls an image; answers the reference that kubelet uses from then on. */
  String pullImage(String image) {
    return pullImage(image, AuthConfig.getDefaultInstance());
  }

  String pullImage(String image, AuthConfig auth) {
    return ImageServiceGrpc.newBlockingStub(channel)
        .pullImage(PullImageRequest.newBuilder().setImage(spec(image)).setAuth(auth).build())
        .getImageRef();
  }

  /** A pull for a pod, as kubelet does it. */
  String pullImage(String image, PodSandboxConfig pod) {
    return ImageServiceGrpc.newBlockingStub(channel)
        .pullImage(
            PullImageRequest.newBuilder().setImage(spec(image)).setSandboxConfig(pod).build())
        .getImageRef();
  }

  List<Image> listImages() {
    return images(CALL).listImages(ListImagesRequest.getDefaultInstance()).getImagesList();
  }

  /** The images that {@code image} names: one at most. */
  List<Image> listImages(String image) {
    return images(CALL)
        .listImages(
            ListImagesRequest.newBuilder()
                .setFilter(ImageFilter.newBuilder().setImage(spec(image)))
                .build())
        .getImagesList();
  }

  /** The reply as it is: it has no image when there is none. */
  ImageStatusResponse imageStatus(String image, boolean verbose) {
    return images(CALL)
        .imageStatus(
            ImageStatusRequest.newBuilder().setImage(spec(image)).setVerbose(verbose).build());
  }

  void removeImage(String image) {
    images(CALL).removeImage(RemoveImageRequest.newBuilder().setImage(spec(image)).build());
  }

  /** Runs a sandbox; answers its id. */
  String runPodSandbox(PodSandboxConfig config, Handler handler) {
    return runPodSandbox(config, handler, RUN_POD_SANDBOX);
  }

  String runPodSandbox(PodSandboxConfig config, Handler handler, Duration deadline) {
    return runtime(deadline)
        .runPodSandbox(
            RunPodSandboxRequest.newBuilder()
                .setConfig(config)
                .setRuntimeHandler(handler.name())
                .build())
        .getPodSandboxId();
  }

  void stopPodSandbox(String id) {
    runtime(CALL).stopPodSandbox(StopPodSandboxRequest.newBuilder().setPodSandboxId(id).build());
  }

  void removePodSandbox(String id) {
    runtime(CALL)
        .removePodSandbox(RemovePodSandboxRequest.newBuilder().setPodSandboxId(id).build());
  }

  PodSandboxStatus podSandboxStatus(String id) {
    return runtime(CALL)
        .podSandboxStatus(PodSandboxStatusRequest.newBuilder().setPodSandboxId(id).build())
        .getStatus();
  }

  /** The whole reply, with what only people read. */
  PodSandboxStatusResponse verbosePodSandboxStatus(String id) {
    return runtime(CALL)
        .podSandboxStatus(
            PodSandboxStatusRequest.newBuilder().setPodSandboxId(id).setVerbose(true).build());
  }

  void updatePodSandboxResources(UpdatePodSandboxResourcesRequest request) {
    var _ = runtime(CALL).updatePodSandboxResources(request);
  }

  void updateContainerResources(UpdateContainerResourcesRequest request) {
    var _ = runtime(CALL).updateContainerResources(request);
  }

  List<PodSandbox> listPodSandboxes(PodSandboxFilter filter) {
    return runtime(CALL)
        .listPodSandbox(ListPodSandboxRequest.newBuilder().setFilter(filter).build())
        .getItemsList();
  }

  /** Creates a container; answers its id. */
  String createContainer(String sandbox, ContainerConfig config, PodSandboxConfig sandboxConfig) {
    return runtime(CALL)
        .createContainer(
            CreateContainerRequest.newBuilder()
                .setPodSandboxId(sandbox)
                .setConfig(config)
                .setSandboxConfig(sandboxConfig)
                .build())
        .getContainerId();
  }

  void startContainer(String id) {
    runtime(CALL).startContainer(StartContainerRequest.newBuilder().setContainerId(id).build());
  }

  void stopContainer(String id, Duration grace) {
    runtime(CALL.plus(grace))
        .stopContainer(
            StopContainerRequest.newBuilder()
                .setContainerId(id)
                .setTimeout(grace.toSeconds())
                .build());
  }

  void reopenContainerLog(String id) {
    runtime(CALL)
        .reopenContainerLog(ReopenContainerLogRequest.newBuilder().setContainerId(id).build());
  }

  void removeContainer(String id) {
    runtime(CALL).removeContainer(RemoveContainerRequest.newBuilder().setContainerId(id).build());
  }

  ContainerStatus containerStatus(String id) {
    return runtime(CALL)
        .containerStatus(ContainerStatusRequest.newBuilder().setContainerId(id).build())
        .getStatus();
  }

  List<Container> listContainers(ContainerFilter filter) {
    return runtime(CALL)
        .listContainers(ListContainersRequest.newBuilder().setFilter(filter).build())
        .getContainersList();
  }

  /**
   * Runs a command in a container.
   *
   * @param limit whole seconds; zero: no limit of the runtime's, and two minutes of ours
   */
  ExecSyncResponse execSync(String container, Duration limit, List<String> command) {
    return runtime(CALL.plus(limit))
        .execSync(
            ExecSyncRequest.newBuilder()
                .setContainerId(container)
                .setTimeout(limit.toSeconds())
                .addAllCmd(command)
                .build());
  }

  @Override
  public void close() {
    channel.shutdownNow();
    eventLoop.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly();
    executor.close();
  }

  private static ImageSpec spec(String image) {
    return ImageSpec.newBuilder().setImage(image).build();
  }
}
