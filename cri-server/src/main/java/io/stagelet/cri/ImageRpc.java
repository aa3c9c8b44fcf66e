package io.stagelet.cri;

import io.grpc.stub.StreamObserver;
import io.stagelet.cri.v1.AuthConfig;
import io.stagelet.cri.v1.FilesystemIdentifier;
import io.stagelet.cri.v1.FilesystemUsage;
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
import io.stagelet.cri.v1.UInt64Value;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.Credentials;
import io.stagelet.stage0.Image;
import io.stagelet.stage0.ImageFsUsage;
import io.stagelet.stage0.ImageReference;
import io.stagelet.stage0.ImageService;
import io.stagelet.stage0.PullListener;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Base64;
import java.util.List;

/** CRI's ImageService. */
final class ImageRpc extends ImageServiceGrpc.ImageServiceImplBase {
  private final ImageService images;
  private final Path store;
  private final Clock clock;

  ImageRpc(ImageService images, Path store, Clock clock) {
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
          Image image =
              images.pull(
                  ImageReference.parse(request.getImage().getImage()),
                  credentials(request.getAuth()),
                  PullListener.NONE);
          return PullImageResponse.newBuilder().setImageRef(image.id().toString()).build();
        });
  }

  @Override
  public void listImages(ListImagesRequest request, StreamObserver<ListImagesResponse> observer) {
    GrpcErrors.answer(
        "ListImages",
        observer,
        () -> {
          String wanted = request.getFilter().getImage().getImage();
          List<Image> listed =
              wanted.isEmpty() ? images.list() : images.find(wanted).stream().toList();
          return ListImagesResponse.newBuilder()
              .addAllImages(listed.stream().map(ImageRpc::image).toList())
              .build();
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
  private static Credentials credentials(AuthConfig auth) {
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
    try {
      String[] parts =
          new String(Base64.getDecoder().decode(auth.getAuth()), StandardCharsets.UTF_8)
              .split(":", 2);
      if (parts.length == 2) {
        return new Credentials.Basic(parts[0], parts[1].replaceAll("\0+$", ""));
      }
    } catch (IllegalArgumentException notBase64) {
      throw new StageletException(
          ErrorCode.INVALID_ARGUMENT, "the image pull's auth is not Base64", notBase64);
    }
    throw new StageletException(
        ErrorCode.INVALID_ARGUMENT, "the image pull's auth has no colon between user and password");
  }
}
