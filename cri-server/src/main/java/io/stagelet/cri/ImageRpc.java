package io.stagelet.cri;

import io.grpc.Context;
import io.grpc.stub.StreamObserver;
import io.stagelet.cri.measure.Measures;
import io.stagelet.cri.v1.AuthConfig;
import io.stagelet.cri.v1.FilesystemIdentifier;
import io.stagelet.cri.v1.FilesystemUsage;
import io.stagelet.cri.v1.ImageFilter;
import io.stagelet.cri.v1.ImageFsInfoRequest;
import io.stagelet.cri.v1.ImageFsInfoResponse;
import io.stagelet.cri.v1.ImageServiceGrpc;
import io.stagelet.cri.v1.ImageSpec;
import io.stagelet.cri.v1.ImageStatusRequest;
import io.stagelet.cri.v1.ImageStatusResponse;
import io.stagelet.cri.v1.Int64Value;
import io.stagelet.cri.v1.ListImagesRequest;
import io.stagelet.cri.v1.ListImagesResponse;
import io.stagelet.cri.v1.PullImageRequest;
import io.stagelet.cri.v1.PullImageResponse;
import io.stagelet.cri.v1.RemoveImageRequest;
import io.stagelet.cri.v1.RemoveImageResponse;
import io.stagelet.cri.v1.StreamImagesRequest;
import io.stagelet.cri.v1.StreamImagesResponse;
import io.stagelet.cri.v1.UInt64Value;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.Credentials;
import io.stagelet.stage0.Image;
import io.stagelet.stage0.ImageFsUsage;
import io.stagelet.stage0.ImageReference;
import io.stagelet.stage0.ImageService;
import io.stagelet.stage0.PullListener;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;

/** CRI's ImageService. */
final class ImageRpc extends ImageServiceGrpc.ImageServiceImplBase {
  private static final int IMAGES_IN_A_PIECE = 500;

  private final ImageService images;
  private final Path store;
  private final Clock clock;
  private final RegistryOutcomes registries;
  private final Measures measures;

  ImageRpc(
      ImageService images,
      Path store,
      Clock clock,
      RegistryOutcomes registries,
      Measures measures) {
    this.registries = registries;
    this.measures = measures;
    this.images = images;
    this.store = store;
    this.clock = clock;
  }

  @Override
  public void pullImage(PullImageRequest request, StreamObserver<PullImageResponse> observer) {
    GrpcErrors.answer(
        "PullImage",
        observer,
        () -> {
          String name = named(request.getImage());
          Image image =
              measures.stage(
                  "PullImage",
                  "pull",
                  name,
                  () -> whileWanted(() -> pull(name, credentials(request.getAuth(), name))));
          return PullImageResponse.newBuilder().setImageRef(image.id().toString()).build();
        });
  }

  private Image pull(String name, Credentials credentials) {
    try {
      Image image = images.pull(name, credentials, PullListener.NONE);
      registries.done(name);
      return image;
    } catch (StageletException failure) {
      registries.failed(name, failure);
      throw failure;
    }
  }

  /** Runs a call that may take long, and interrupts it when the client goes away. */
  private static <T> T whileWanted(Supplier<T> call) {
    Thread thread = Thread.currentThread();
    AtomicBoolean running = new AtomicBoolean(true);
    Context.CancellationListener gone =
        context -> {
          synchronized (running) {
            if (running.get()) {
              thread.interrupt();
            }
          }
        };
    Context context = Context.current();
    context.addListener(gone, Runnable::run);
    try {
      return call.get();
    } finally {
      context.removeListener(gone);
      // what this thread does next has not been cancelled
      synchronized (running) {
        running.set(false);
        boolean _ = Thread.interrupted();
      }
    }
  }

  @Override
  public void listImages(ListImagesRequest request, StreamObserver<ListImagesResponse> observer) {
    GrpcErrors.answer(
        "ListImages",
        observer,
        () ->
            ListImagesResponse.newBuilder()
                .addAllImages(listed(request.getFilter()).stream().map(ImageRpc::image).toList())
                .build());
  }

  private List<Image> listed(ImageFilter filter) {
    String wanted = filter.getImage().getImage();
    return wanted.isEmpty() ? images.list() : images.find(wanted).stream().toList();
  }

  /** In pieces that each fit into a message, however many there are. */
  @Override
  public void streamImages(
      StreamImagesRequest request, StreamObserver<StreamImagesResponse> observer) {
    GrpcErrors.answer(
        "StreamImages",
        observer,
        () -> {
          StreamImagesResponse.Builder piece = StreamImagesResponse.newBuilder();
          for (Image image : listed(request.getFilter())) {
            piece.addImages(image(image));
            if (piece.getImagesCount() == IMAGES_IN_A_PIECE) {
              observer.onNext(piece.build());
              piece.clear();
            }
          }
          return piece.build();
        });
  }

  /** An image that is not here is an empty answer, not an error. */
  @Override
  public void imageStatus(
      ImageStatusRequest request, StreamObserver<ImageStatusResponse> observer) {
    GrpcErrors.answer(
        "ImageStatus",
        observer,
        () -> {
          ImageStatusResponse.Builder response = ImageStatusResponse.newBuilder();
          images
              .find(named(request.getImage()))
              .ifPresent(image -> {
                response.setImage(image(image));
                if (request.getVerbose()) {
                  response.putInfo("layers", image.diffIds().toString());
                  response.putInfo("config", image.config().toString());
                }
              });
          return response.build();
        });
  }

  @Override
  public void removeImage(
      RemoveImageRequest request, StreamObserver<RemoveImageResponse> observer) {
    GrpcErrors.answer(
        "RemoveImage",
        observer,
        () -> {
          images.remove(named(request.getImage()));
          return RemoveImageResponse.getDefaultInstance();
        });
  }

  @Override
  public void imageFsInfo(
      ImageFsInfoRequest request, StreamObserver<ImageFsInfoResponse> observer) {
    GrpcErrors.answer(
        "ImageFsInfo",
        observer,
        () -> {
          ImageFsUsage usage = images.usage();
          FilesystemUsage filesystem =
              FilesystemUsage.newBuilder()
                  .setTimestamp(ProtoSandbox.nanoseconds(clock.instant()))
                  .setFsId(FilesystemIdentifier.newBuilder().setMountpoint(store.toString()))
                  .setUsedBytes(UInt64Value.newBuilder().setValue(usage.bytes()))
                  .setInodesUsed(UInt64Value.newBuilder().setValue(usage.inodes()))
                  .build();
          return ImageFsInfoResponse.newBuilder()
              .addImageFilesystems(filesystem)
              .addContainerFilesystems(filesystem)
              .build();
        });
  }

  private static String named(ImageSpec spec) {
    if (spec.getImage().isEmpty()) {
      throw new StageletException(ErrorCode.INVALID_ARGUMENT, "the request names no image");
    }
    return spec.getImage();
  }

  private static io.stagelet.cri.v1.Image image(Image image) {
    io.stagelet.cri.v1.Image.Builder answer =
        io.stagelet.cri.v1.Image.newBuilder()
            .setId(image.id().toString())
            .addAllRepoTags(image.tags())
            .addAllRepoDigests(image.digests())
            .setSize(image.size())
            .setPinned(image.pinned())
            .setSpec(ImageSpec.newBuilder().setImage(image.id().toString()));
    String user = image.config().user().split(":", 2)[0];
    if (user.matches("[0-9]{1,18}")) {
      answer.setUid(Int64Value.newBuilder().setValue(Long.parseLong(user)));
    } else if (user.isEmpty()) {
      answer.setUid(Int64Value.getDefaultInstance());
    } else {
      answer.setUsername(user);
    }
    return answer.build();
  }

  /** {@code auth} is user and password with a colon between them, in Base64. */
  private static Credentials credentials(AuthConfig auth, String image) {
    if (!auth.getServerAddress().isEmpty() && !isOf(auth.getServerAddress(), image)) {
      return Credentials.none();
    }
    if (!auth.getRegistryToken().isEmpty()) {
      return new Credentials.RegistryToken(auth.getRegistryToken());
    }
    if (!auth.getIdentityToken().isEmpty()) {
      return new Credentials.IdentityToken(auth.getIdentityToken());
    }
    if (!auth.getUsername().isEmpty()) {
      return new Credentials.Basic(auth.getUsername(), auth.getPassword());
    }
    if (auth.getAuth().isEmpty()) {
      return Credentials.none();
    }
    return Credentials.basic(auth.getAuth());
  }

  /** Credentials of another registry must not be shown to this one. */
  private static boolean isOf(String server, String image) {
    String host = server.replaceFirst("^https?://", "").replaceFirst("/.*$", "");
    String domain = ImageReference.parse(image).domain();
    return host.equals(domain)
        || (domain.equals("docker.io")
            && (host.equals("index.docker.io") || host.equals("registry-1.docker.io")));
  }
}
