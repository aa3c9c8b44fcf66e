package io.stagelet.stage0;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.spec.ECGenParameterSpec;
import java.time.Clock;
import java.util.Base64;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.bouncycastle.bcpg.HashAlgorithmTags;
import org.bouncycastle.bcpg.PublicKeyAlgorithmTags;
import org.bouncycastle.bcpg.PublicKeyPacket;
import org.bouncycastle.crypto.generators.RSAKeyPairGenerator;
import org.bouncycastle.crypto.params.RSAKeyGenerationParameters;
import org.bouncycastle.openpgp.PGPException;
import org.bouncycastle.openpgp.PGPKeyPair;
import org.bouncycastle.openpgp.PGPLiteralData;
import org.bouncycastle.openpgp.PGPLiteralDataGenerator;
import org.bouncycastle.openpgp.PGPSignature;
import org.bouncycastle.openpgp.PGPSignatureGenerator;
import org.bouncycastle.openpgp.operator.bc.BcPGPContentSignerBuilder;
import org.bouncycastle.openpgp.operator.bc.BcPGPKeyPair;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** policy.json, with real signatures of both kinds. */
@Timeout(60)
class SignatureRulesTest {
  private static final PGPKeyPair SIGNER = openPgpKey();
  private static final PGPKeyPair STRANGER = openPgpKey();
  private static final KeyPair COSIGNER = ecKey();

  @TempDir Path directory;
  private TestRegistry registry;
  private RegistryFiles files;
  private RegistryClient client;
  private Digest manifest;
  private ImageReference reference;

  private static PGPKeyPair openPgpKey() {
    RSAKeyPairGenerator generator = new RSAKeyPairGenerator();
    generator.init(
        new RSAKeyGenerationParameters(
            java.math.BigInteger.valueOf(0x10001), new SecureRandom(), 2048, 80));
    try {
      return new BcPGPKeyPair(
          PublicKeyPacket.VERSION_4,
          PublicKeyAlgorithmTags.RSA_GENERAL,
          generator.generateKeyPair(),
          now());
    } catch (PGPException impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  @SuppressWarnings("JavaUtilDate") // Bouncy Castle wants it
  private static Date now() {
    return new Date();
  }

  private static KeyPair ecKey() {
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
      generator.initialize(new ECGenParameterSpec("secp256r1"));
      return generator.generateKeyPair();
    } catch (GeneralSecurityException impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  @BeforeEach
  void start() throws IOException {
    registry = new TestRegistry();
    files =
        new RegistryFiles(
            directory.resolve("registries.conf"),
            directory.resolve("registries.conf.d"),
            List.of(),
            List.of(),
            directory.resolve("policy.json"),
            Files.createDirectory(directory.resolve("registries.d")));
    Files.write(directory.resolve("key.gpg"), SIGNER.getPublicKey().getEncoded());
    Files.writeString(
        directory.resolve("cosign.pub"),
        "-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n"
            .formatted(Base64.getMimeEncoder().encodeToString(COSIGNER.getPublic().getEncoded())));
    Files.writeString(
        files.signatures().resolve("default.yaml"),
        "default-docker:\n  lookaside: file://%s/lookaside\n".formatted(directory));
    client =
        new RegistryClient(
            RegistrySettings.defaults(),
            Registries.of(files, Set.of(), Map.of()),
            Clock.systemUTC());
    manifest = registry.manifest("1", "{\"config\":{},\"layers\":[]}".getBytes(UTF_8));
    reference = registry.reference("team/image:1");
  }

  @AfterEach
  void stop() {
    registry.close();
  }

  private void policy(String json) throws IOException {
    Files.writeString(files.policy(), json.replace('\'', '"').replace("DIR", directory.toString()));
  }

  private void check(ImageReference wanted) throws InterruptedException {
    MirroredRepository repository = client.find(wanted, Credentials.none()).repository();
    client.check(wanted, Set.of(manifest), repository);
  }

  private void refused(String why) {
    assertThatThrownBy(() -> check(reference))
        .hasMessageContaining("SignatureValidationFailed")
        .hasMessageContaining(why)
        .satisfies(
            e -> assertThat(((StageletException) e).code()).isEqualTo(ErrorCode.PERMISSION_DENIED));
  }

  private static String claim(String type, String name, Digest manifest) {
    return "{\"critical\":{\"type\":\"%s\",\"image\":{\"docker-manifest-digest\":\"%s\"},\"identity\":{\"docker-reference\":\"%s\"}},\"optional\":{}}"
        .formatted(type, manifest, name);
  }

  private void signOpenPgp(int number, PGPKeyPair key, String text)
      throws IOException, PGPException {
    PGPSignatureGenerator generator =
        new PGPSignatureGenerator(
            new BcPGPContentSignerBuilder(
                key.getPublicKey().getAlgorithm(), HashAlgorithmTags.SHA256),
            key.getPublicKey());
    generator.init(PGPSignature.BINARY_DOCUMENT, key.getPrivateKey());
    ByteArrayOutputStream message = new ByteArrayOutputStream();
    generator.generateOnePassVersion(false).encode(message);
    byte[] content = text.getBytes(UTF_8);
    try (OutputStream literal =
        new PGPLiteralDataGenerator()
            .open(message, PGPLiteralData.BINARY, "", content.length, now())) {
      literal.write(content);
    }
    generator.update(content);
    generator.generate().encode(message);
    Path file =
        directory.resolve(
            "lookaside/team/image@sha256=%s/signature-%d".formatted(manifest.hex(), number));
    Files.createDirectories(file.getParent());
    Files.write(file, message.toByteArray());
  }

  private void signCosign(String text) throws GeneralSecurityException {
    Signature signature = Signature.getInstance("SHA256withECDSA");
    signature.initSign(COSIGNER.getPrivate());
    signature.update(text.getBytes(UTF_8));
    String encoded = Base64.getEncoder().encodeToString(signature.sign());
    Digest payload = registry.blob(text.getBytes(UTF_8));
    Digest config = registry.blob("{}".getBytes(UTF_8));
    registry.manifest(
        "sha256-" + manifest.hex() + ".sig",
        "{\"schemaVersion\":2,\"config\":{\"digest\":\"%s\",\"size\":2},\"layers\":[{\"mediaType\":\"application/vnd.dev.cosign.simplesigning.v1+json\",\"digest\":\"%s\",\"size\":%d,\"annotations\":{\"dev.cosignproject.cosign/signature\":\"%s\"}}]}"
            .formatted(config, payload, text.length(), encoded)
            .getBytes(UTF_8));
  }

  private static final String SIGNED_BY =
      "{'default':[{'type':'signedBy','keyType':'GPGKeys','keyPath':'DIR/key.gpg'}]}";
  private static final String SIGSTORE =
      "{'default':[{'type':'sigstoreSigned','keyPath':'DIR/cosign.pub','signedIdentity':{'type':'matchRepository'}}]}";

  @Test
  void withoutAPolicyEverythingIsAccepted() throws Exception {
    check(reference);
  }

  @Test
  void theMostSpecificScopeDecides() throws Exception {
    policy(
        "{'default':[{'type':'reject'}],'transports':{'docker':{'%s/team':[{'type':'insecureAcceptAnything'}],'%s/team/image:1':[{'type':'reject'}]}}}"
            .formatted(registry.host(), registry.host()));

    refused("rejects");
    registry.manifest("2", "{\"config\":{},\"layers\":[]}".getBytes(UTF_8));
    check(registry.reference("team/image:2"));
  }

  @Test
  void aGoodOpenPgpSignatureIsAcceptedEvenAfterABadOne() throws Exception {
    policy(SIGNED_BY);
    refused("there is none");

    signOpenPgp(1, STRANGER, claim(SignedClaim.SIMPLE, reference.canonical(), manifest));
    refused("which the policy does not name");

    signOpenPgp(2, SIGNER, claim(SignedClaim.SIMPLE, reference.canonical(), manifest));
    check(reference);
  }

  @Test
  void aSignatureForSomethingElseIsNone() throws Exception {
    policy(SIGNED_BY);
    signOpenPgp(1, SIGNER, claim(SignedClaim.SIMPLE, registry.host() + "/team/image:9", manifest));
    signOpenPgp(
        2, SIGNER, claim(SignedClaim.SIMPLE, reference.canonical(), Digest.of(new byte[1])));
    signOpenPgp(3, SIGNER, claim("something", reference.canonical(), manifest));

    refused("one is for another name");
    refused("one is for another manifest");
    refused("it signs a \"something\"");
  }

  @Test
  void aDamagedSignatureIsNone() throws Exception {
    policy(SIGNED_BY);
    String claim = claim(SignedClaim.SIMPLE, reference.canonical(), manifest);
    signOpenPgp(1, SIGNER, claim);
    Path file = directory.resolve("lookaside/team/image@sha256=" + manifest.hex() + "/signature-1");
    byte[] whole = Files.readAllBytes(file);
    int text = new String(whole, java.nio.charset.StandardCharsets.ISO_8859_1).indexOf(claim);
    assertThat(text).isPositive();
    for (int at = text; at < text + claim.length(); at += 5) {
      byte[] damaged = whole.clone();
      damaged[at] ^= 0x10;
      Files.write(file, damaged);
      refused("no OpenPGP signature");
    }
    for (int cut = 0; cut < whole.length; cut += 11) {
      Files.write(file, java.util.Arrays.copyOf(whole, cut));
      refused("no OpenPGP signature");
    }
  }

  @Test
  void aSigstoreSignatureInTheRegistryIsAccepted() throws Exception {
    policy(SIGSTORE);
    refused("there is no sha256-");

    signCosign(claim(SignedClaim.COSIGN, registry.host() + "/team/image", manifest));
    check(reference);

    signCosign(claim(SignedClaim.COSIGN, registry.host() + "/other/image", manifest));
    refused("another name");
  }

  @Test
  void aPolicyThatIsNotUnderstoodStopsAllPulls() throws Exception {
    policy("{'default':[{'type':'fancy'}]}");
    assertThatThrownBy(() -> check(reference))
        .hasMessageContaining("SignatureValidationFailed")
        .hasMessageContaining("\"fancy\" is not known");

    policy("{'default':[{'type':'sigstoreSigned','fulcio':{},'keyPath':'DIR/cosign.pub'}]}");
    assertThatThrownBy(() -> check(reference)).hasMessageContaining("is not built");
  }

  @Test
  void identitiesMatchAsThePolicySays() {
    ImageReference tagged = ImageReference.parse("a.example/b:1");
    ImageReference digested = ImageReference.parse("a.example/b@" + Digest.of(new byte[0]));
    SignedClaim claim = new SignedClaim("a.example/b:1", Digest.of(new byte[0]));
    SignedClaim other = new SignedClaim("m.example/b:1", Digest.of(new byte[0]));

    assertThat(claim.isFor(tagged, new SignaturePolicy.Identity.Exact())).isTrue();
    assertThat(claim.isFor(digested, new SignaturePolicy.Identity.Exact())).isFalse();
    assertThat(claim.isFor(digested, new SignaturePolicy.Identity.RepositoryForDigestOrExact()))
        .isTrue();
    assertThat(other.isFor(tagged, new SignaturePolicy.Identity.Repository())).isFalse();
    assertThat(other.isFor(tagged, new SignaturePolicy.Identity.ThisRepository("m.example/b")))
        .isTrue();
    assertThat(other.isFor(tagged, new SignaturePolicy.Identity.Remapped("a.example", "m.example")))
        .isTrue();
  }
}
