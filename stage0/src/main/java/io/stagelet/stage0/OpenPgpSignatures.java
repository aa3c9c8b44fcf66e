package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.bouncycastle.openpgp.PGPCompressedData;
import org.bouncycastle.openpgp.PGPException;
import org.bouncycastle.openpgp.PGPLiteralData;
import org.bouncycastle.openpgp.PGPObjectFactory;
import org.bouncycastle.openpgp.PGPOnePassSignature;
import org.bouncycastle.openpgp.PGPOnePassSignatureList;
import org.bouncycastle.openpgp.PGPPublicKey;
import org.bouncycastle.openpgp.PGPPublicKeyRing;
import org.bouncycastle.openpgp.PGPSignature;
import org.bouncycastle.openpgp.PGPSignatureList;
import org.bouncycastle.openpgp.PGPUtil;
import org.bouncycastle.openpgp.bc.BcPGPObjectFactory;
import org.bouncycastle.openpgp.bc.BcPGPPublicKeyRingCollection;
import org.bouncycastle.openpgp.operator.bc.BcPGPContentVerifierBuilderProvider;

/** Checks messages that {@code gpg --sign} made, against some keys. */
final class OpenPgpSignatures {
  private static final int LONGEST_TEXT = 1 << 20;

  private final List<PGPPublicKey> keys;
  private final Clock clock;

  /**
   * Signatures of these keys.
   *
   * @param rings key rings, binary or armored
   */
  OpenPgpSignatures(List<byte[]> rings, Clock clock) {
    this.clock = clock;
    this.keys = new ArrayList<>();
    for (byte[] ring : rings) {
      try (InputStream stream = PGPUtil.getDecoderStream(new ByteArrayInputStream(ring))) {
        for (PGPPublicKeyRing each : new BcPGPPublicKeyRingCollection(stream)) {
          addUsable(each);
        }
      } catch (IOException | PGPException | RuntimeException unreadable) {
        throw new StageletException(
            ErrorCode.FAILED_PRECONDITION,
            "a key of the policy is no OpenPGP key: " + StageletException.reason(unreadable),
            unreadable);
      }
    }
  }

  /** A revoked master key takes its subkeys with it. */
  private void addUsable(PGPPublicKeyRing ring) {
    if (ring.getPublicKey().hasRevocation()) {
      return;
    }
    for (Iterator<PGPPublicKey> each = ring.getPublicKeys(); each.hasNext(); ) {
      PGPPublicKey key = each.next();
      if (!key.hasRevocation()) {
        keys.add(key);
      }
    }
  }

  /**
   * The text that {@code message} signs.
   *
   * @throws StageletException {@code PERMISSION_DENIED} when no usable key made the signature, or
   *     it is not good
   */
  byte[] verified(byte[] message) {
    try {
      return text(message);
    } catch (StageletException refused) {
      throw refused;
    } catch (IOException | PGPException | RuntimeException broken) {
      // the reader says what it cannot read by exceptions of many kinds
      throw new StageletException(
          ErrorCode.PERMISSION_DENIED,
          "it is no OpenPGP message: " + StageletException.reason(broken),
          broken);
    }
  }

  private byte[] text(byte[] message) throws IOException, PGPException {
    PGPObjectFactory objects =
        new BcPGPObjectFactory(PGPUtil.getDecoderStream(new ByteArrayInputStream(message)));
    Object next = objects.nextObject();
    if (next instanceof PGPCompressedData packed) {
      objects = new BcPGPObjectFactory(packed.getDataStream());
      next = objects.nextObject();
    }
    if (!(next instanceof PGPOnePassSignatureList announced) || announced.size() != 1) {
      throw refused("it is not signed by exactly one key");
    }
    PGPOnePassSignature check = announced.get(0);
    PGPPublicKey key =
        keys.stream()
            .filter(known -> known.getKeyID() == check.getKeyID())
            .findFirst()
            .orElseThrow(() ->
                refused(
                    "it is of key %016X, which the policy does not name"
                        .formatted(check.getKeyID())));
    Instant now = clock.instant();
    if (key.getValidSeconds() > 0
        && key.getCreationTime().toInstant().plusSeconds(key.getValidSeconds()).isBefore(now)) {
      throw refused("its key %016X has expired".formatted(key.getKeyID()));
    }
    check.init(new BcPGPContentVerifierBuilderProvider(), key);
    if (!(objects.nextObject() instanceof PGPLiteralData literal)) {
      throw refused("it holds no text");
    }
    byte[] text;
    try (InputStream stream = literal.getInputStream()) {
      text = stream.readNBytes(LONGEST_TEXT + 1);
    }
    if (text.length > LONGEST_TEXT) {
      throw refused("its text is too long");
    }
    check.update(text);
    if (!(objects.nextObject() instanceof PGPSignatureList signatures) || signatures.size() != 1) {
      throw refused("it holds no signature");
    }
    PGPSignature signature = signatures.get(0);
    if (!check.verify(signature)) {
      throw refused("the signature is wrong");
    }
    long expires =
        signature.hasSubpackets()
            ? signature.getHashedSubPackets().getSignatureExpirationTime()
            : 0;
    if (expires > 0 && signature.getCreationTime().toInstant().plusSeconds(expires).isBefore(now)) {
      throw refused("the signature has expired");
    }
    return text;
  }

  private static StageletException refused(String why) {
    return new StageletException(ErrorCode.PERMISSION_DENIED, why);
  }
}
