package io.stagelet.stage0;

import com.fasterxml.jackson.databind.JsonNode;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;

/** What a registry has under a reference: one image's manifest, or an index of several. */
sealed interface ManifestDocument permits ImageManifest, ImageIndex {
  /** The media types that this project reads, for an Accept header. */
  String MEDIA_TYPES =
      "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
          + "application/vnd.docker.distribution.manifest.list.v2+json, "
          + "application/vnd.docker.distribution.manifest.v2+json";

  /**
   * The document in {@code bytes}, OCI or Docker schema 2. What kind it is, its fields say: the
   * media type is often missing or wrong.
   *
   * @param what names it in errors
   */
  static ManifestDocument parse(byte[] bytes, String what) {
    JsonNode json = Json.object(bytes, what);
    boolean index = json.has("manifests");
    boolean manifest = json.has("config") || json.has("layers");
    if (index && manifest) {
      // each reader could take it for another image, so its digest would mean nothing
      throw new StageletException(
          ErrorCode.DATA_LOSS, what + " is at once a manifest and an index; it was refused");
    }
    if (index) {
      return ImageIndex.of(json, what);
    }
    if (manifest) {
      return ImageManifest.of(json, what);
    }
    if (json.path("schemaVersion").asInt() == 1) {
      throw new StageletException(
          ErrorCode.UNIMPLEMENTED,
          what + " is in Docker's schema 1, which is no longer read; push the image anew");
    }
    throw new StageletException(
        ErrorCode.DATA_LOSS, what + " is neither an image's manifest nor an index");
  }

  /** The descriptor in {@code json}. */
  static BlobDescriptor descriptor(JsonNode json, String what) {
    if (!json.path("digest").isTextual() || !json.path("size").canConvertToLong()) {
      throw new StageletException(
          ErrorCode.DATA_LOSS, what + " names a blob without its digest or size");
    }
    return new BlobDescriptor(
        Json.text(json, "mediaType"),
        Digest.parse(Json.text(json, "digest")),
        json.path("size").longValue(),
        Json.textMap(json, "annotations"));
  }
}
