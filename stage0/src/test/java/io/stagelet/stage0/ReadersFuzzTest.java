package io.stagelet.stage0;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.stagelet.linux.StageletException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;

/**
 * What reads what others wrote, with anything. Nothing but a {@link StageletException} may come of
 * it (or, of a stream, an {@link IOException}), and it must end.
 *
 * <p>Without {@code JAZZER_FUZZ=1} in the environment the inputs that are kept beside this class
 * are tried; with it, new ones are looked for: {@code ./mvnw -Pfuzz -pl stage0 -am test}, as {@code
 * ./verify} does.
 */
class ReadersFuzzTest {
  @FuzzTest(maxDuration = "4s")
  void references(byte[] data) {
    String text = new String(data, UTF_8);
    try {
      ImageReference reference = ImageReference.parse(text);
      if (!ImageReference.parse(reference.canonical()).equals(reference)) {
        throw new IllegalStateException("another reference: " + reference);
      }
    } catch (StageletException refused) {
      return;
    }
  }

  @FuzzTest(maxDuration = "4s")
  void manifests(byte[] data) {
    try {
      var _ = ManifestDocument.parse(data, "the manifest");
    } catch (StageletException refused) {
      return;
    }
  }

  @FuzzTest(maxDuration = "4s")
  void configurations(byte[] data) {
    try {
      var _ =
          ImageRecords.record(
              new ImageId(Digest.of(data)),
              data,
              java.util.List.of(),
              java.util.List.of(),
              java.util.Set.of());
    } catch (StageletException refused) {
      return;
    }
  }

  @FuzzTest(maxDuration = "4s")
  void registries(byte[] data) {
    try {
      RegistriesConfiguration configuration =
          RegistriesReader.parse("registries.conf", new String(data, UTF_8));
      var _ = configuration.candidates("busybox");
      var _ = configuration.sources(ImageReference.parse("quay.io/a/b:1"));
    } catch (StageletException refused) {
      return;
    }
  }

  @FuzzTest(maxDuration = "4s")
  void policies(byte[] data) {
    try {
      var _ = SignaturePolicy.parse(data, "policy.json").of(ImageReference.parse("quay.io/a/b:1"));
    } catch (StageletException refused) {
      return;
    }
  }

  @FuzzTest(maxDuration = "4s")
  void challenges(byte[] data) {
    var _ = AuthChallenge.parse(new String(data, ISO_8859_1));
  }

  @FuzzTest(maxDuration = "4s")
  void tarArchives(byte[] data) {
    byte[] buffer = new byte[8192];
    try {
      TarReader tar = new TarReader(new ByteArrayInputStream(data));
      for (TarEntry entry = tar.next(); entry != null; entry = tar.next()) {
        if (tar.read(buffer, 0, buffer.length) > data.length) {
          throw new IllegalStateException("more than there is, in " + entry);
        }
      }
      tar.drain();
    } catch (StageletException | IOException refused) {
      return;
    }
  }

  @FuzzTest(maxDuration = "4s")
  void packedLayers(byte[] data) {
    byte[] buffer = new byte[8192];
    try (InputStream unpacked = Compression.unpacked(new ByteArrayInputStream(data))) {
      // a bomb ends at the unpacker's limit, not here
      for (int i = 0; i < 1000 && unpacked.read(buffer) >= 0; i++) {}
    } catch (StageletException | IOException refused) {
      return;
    }
  }

  @FuzzTest(maxDuration = "4s")
  void openPgpMessages(byte[] data) {
    try {
      var _ =
          new OpenPgpSignatures(java.util.List.of(), java.time.Clock.systemUTC()).verified(data);
    } catch (StageletException refused) {
      return;
    }
  }
}
