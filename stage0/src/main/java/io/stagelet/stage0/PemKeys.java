package io.stagelet.stage0;

import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bouncycastle.asn1.DERNull;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.sec.ECPrivateKey;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.asn1.x9.X9ObjectIdentifiers;

/** Keys in PEM (RFC 7468), as OpenSSL and cosign write them, without a password. */
final class PemKeys {
  private static final Pattern BLOCK =
      Pattern.compile("-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\\s]+)-----END \\1-----");

  private PemKeys() {}

  private record Block(String kind, byte[] content) {}

  /** The first private key in {@code text}. */
  static PrivateKey privateKey(String text) throws IOException, GeneralSecurityException {
    Matcher blocks = BLOCK.matcher(text);
    while (blocks.find()) {
      Block block = block(blocks);
      PrivateKeyInfo info =
          switch (block.kind()) {
            case "PRIVATE KEY" -> PrivateKeyInfo.getInstance(block.content());
            case "RSA PRIVATE KEY" ->
                new PrivateKeyInfo(
                    new AlgorithmIdentifier(PKCSObjectIdentifiers.rsaEncryption, DERNull.INSTANCE),
                    org.bouncycastle.asn1.pkcs.RSAPrivateKey.getInstance(block.content()));
            case "EC PRIVATE KEY" -> {
              ECPrivateKey key = ECPrivateKey.getInstance(block.content());
              yield new PrivateKeyInfo(
                  new AlgorithmIdentifier(
                      X9ObjectIdentifiers.id_ecPublicKey, key.getParametersObject()),
                  key);
            }
            default -> null;
          };
      if (info != null) {
        return factory(info.getPrivateKeyAlgorithm().getAlgorithm().getId())
            .generatePrivate(new PKCS8EncodedKeySpec(info.getEncoded()));
      }
    }
    throw new IOException("it holds no private key that can be read without a password");
  }

  /** The public key in {@code text}. */
  static PublicKey publicKey(String text) throws IOException, GeneralSecurityException {
    Matcher blocks = BLOCK.matcher(text);
    while (blocks.find()) {
      Block block = block(blocks);
      if (block.kind().equals("PUBLIC KEY")) {
        SubjectPublicKeyInfo info = SubjectPublicKeyInfo.getInstance(block.content());
        return factory(info.getAlgorithm().getAlgorithm().getId())
            .generatePublic(new X509EncodedKeySpec(info.getEncoded()));
      }
    }
    throw new IOException("it holds no public key");
  }

  private static Block block(Matcher found) throws IOException {
    try {
      return new Block(found.group(1), Base64.getMimeDecoder().decode(found.group(2)));
    } catch (IllegalArgumentException damaged) {
      throw new IOException("it is not Base64", damaged);
    }
  }

  private static KeyFactory factory(String algorithm) throws GeneralSecurityException {
    List<String> edwards = List.of("1.3.101.112", "1.3.101.113");
    if (algorithm.equals(X9ObjectIdentifiers.id_ecPublicKey.getId())) {
      return KeyFactory.getInstance("EC");
    }
    return KeyFactory.getInstance(edwards.contains(algorithm) ? "EdDSA" : "RSA");
  }
}
