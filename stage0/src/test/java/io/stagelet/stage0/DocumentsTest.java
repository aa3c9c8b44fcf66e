package io.stagelet.stage0;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Manifests, indexes and configurations. */
class DocumentsTest {
  private static final String A = "sha256:" + "a".repeat(64);
  private static final String B = "sha256:" + "b".repeat(64);

  private static ManifestDocument parse(String json) {
    return ManifestDocument.parse(json.replace('\'', '"').getBytes(UTF_8), "the manifest");
  }

  @Test
  void aManifestNamesConfigurationAndLayers() {
    ManifestDocument document =
        parse(
            "{'schemaVersion':2,'config':{'mediaType':'application/vnd.oci.image.config.v1+json','digest':'%s','size':7},'layers':[{'digest':'%s','size':9}]}"
                .formatted(A, B));

    assertThat(document)
        .isEqualTo(
            new ImageManifest(
                new BlobDescriptor("application/vnd.oci.image.config.v1+json", Digest.parse(A), 7),
                List.of(new BlobDescriptor("", Digest.parse(B), 9)),
                false));
  }

  @Test
  void aManifestWithAnotherConfigurationIsAnArtifacts() {
    ManifestDocument document =
        parse(
            "{'schemaVersion':2,'config':{'mediaType':'application/vnd.oci.empty.v1+json','digest':'%s','size':2},'layers':[]}"
                .formatted(A));

    assertThat(document)
        .isEqualTo(
            new ImageManifest(
                new BlobDescriptor("application/vnd.oci.empty.v1+json", Digest.parse(A), 2),
                List.of(),
                true));
  }

  @Test
  void whatCouldBeReadInTwoWaysIsRefused() {
    assertThatThrownBy(() ->
            parse("{'manifests':[],'layers':[],'config':{'digest':'%s','size':1}}".formatted(A)))
        .hasMessageContaining("at once a manifest and an index");
  }

  @Test
  void otherDocumentsAreRefusedInWords() {
    assertThatThrownBy(() -> parse("{'schemaVersion':1}")).hasMessageContaining("schema 1");
    assertThatThrownBy(() -> parse("{}")).hasMessageContaining("neither");
    assertThatThrownBy(() -> parse("[]")).hasMessageContaining("not a JSON object");
    assertThatThrownBy(() -> parse("<html>")).hasMessageContaining("not JSON");
    assertThatThrownBy(() -> parse("{'layers':[{'digest':'%s'}]}".formatted(A)))
        .hasMessageContaining("without its digest or size");
    assertThatThrownBy(() -> parse("{'layers':[{'digest':'%s','size':-1}]}".formatted(A)))
        .hasMessageContaining("-1 bytes");
    assertThatThrownBy(() -> parse("[".repeat(100_000))).hasMessageContaining("not JSON");
  }

  @Test
  void theMachinesPlatformIsChosenInItsPlainestVariant() {
    ImageIndex index =
        (ImageIndex)
            parse(
                """
                {'manifests':[
                {'digest':'sha256:%s','size':1,'platform':{'os':'unknown','architecture':'unknown'}},
                {'digest':'sha256:%s','size':1},
                {'digest':'sha256:%s','size':1,'platform':{'os':'linux','architecture':'amd64','variant':'v3'}},
                {'digest':'sha256:%s','size':1,'platform':{'os':'linux','architecture':'amd64'}},
                {'digest':'sha256:%s','size':1,'platform':{'os':'windows','architecture':'amd64'}},
                {'digest':'sha256:%s','size':1,'platform':{'os':'linux','architecture':'arm64','variant':'v8'}}]}
                """
                    .formatted(
                        "0".repeat(64),
                        "1".repeat(64),
                        "2".repeat(64),
                        "3".repeat(64),
                        "4".repeat(64),
                        "5".repeat(64)));

    assertThat(chosen("amd64", index)).contains("3".repeat(64));
    assertThat(chosen("arm64", index)).contains("5".repeat(64));
    assertThat(chosen("riscv64", index)).contains("1".repeat(64));
  }

  private static Optional<String> chosen(String architecture, ImageIndex index) {
    return new Platform("linux", architecture, "")
        .choose(index.entries())
        .map(entry -> entry.manifest().digest().hex());
  }

  @Test
  void aConfigurationIsReadWhole() {
    ImageConfig config =
        ImageConfig.of(
            Json.object(
                """
                {"created":"2024-01-02T03:04:05.6Z","os":"linux","architecture":"arm64","variant":"v8",
                 "config":{"User":"1000:50","Env":["A=b"],"Entrypoint":["/x"],"Cmd":["y"],"WorkingDir":"/w",
                 "Volumes":{"/v":{}},"StopSignal":"SIGINT","Labels":{"l":"m"},"ExposedPorts":{"80/tcp":{}}}}
                """
                    .getBytes(UTF_8),
                "x"));

    assertThat(config.user()).isEqualTo("1000:50");
    assertThat(config.environment()).containsExactly("A=b");
    assertThat(config.entrypoint()).containsExactly("/x");
    assertThat(config.command()).containsExactly("y");
    assertThat(config.workingDirectory()).isEqualTo("/w");
    assertThat(config.volumes()).containsExactly("/v");
    assertThat(config.stopSignal()).isEqualTo("SIGINT");
    assertThat(config.labels()).containsEntry("l", "m");
    assertThat(config.exposedPorts()).containsExactly("80/tcp");
    assertThat(config.created()).contains(Instant.parse("2024-01-02T03:04:05.6Z"));
    assertThat(config.architecture()).isEqualTo("arm64");
  }

  @Test
  void aConfigurationWithNullsAndNonsenseIsEmptyThere() {
    ImageConfig config =
        ImageConfig.of(
            Json.object(
                "{\"created\":\"soon\",\"config\":{\"Env\":null,\"User\":null,\"Volumes\":null,\"Cmd\":7}}"
                    .getBytes(UTF_8),
                "x"));

    assertThat(config.environment()).isEmpty();
    assertThat(config.user()).isEmpty();
    assertThat(config.volumes()).isEmpty();
    assertThat(config.command()).isEmpty();
    assertThat(config.created()).isEmpty();
  }
}
