package io.stagelet.stage0;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.util.ArrayList;
import java.util.List;

/** A repository in all places that are to be tried for it, the best first. */
final class MirroredRepository implements ImageSource {
  private final String name;
  private final List<RemoteRepository> places;
  private final Transfers transfers;

  MirroredRepository(String name, List<RemoteRepository> places, Transfers transfers) {
    this.name = name;
    this.places = List.copyOf(places);
    this.transfers = transfers;
  }

  /** What its transfers share with all others. */
  Transfers transfers() {
    return transfers;
  }

  /** The places, at least one. */
  List<RemoteRepository> places() {
    return places;
  }

  @Override
  public RemoteRepository.Manifest manifest(String tagOrDigest) throws InterruptedException {
    return first(place -> place.manifest(tagOrDigest));
  }

  @Override
  public byte[] document(BlobDescriptor blob) throws InterruptedException {
    return first(place -> place.document(blob));
  }

  @Override
  public PackedLayer open(BlobDescriptor blob) {
    return new RangedBlob(this, blob);
  }

  @FunctionalInterface
  private interface Question<T> {
    T of(RemoteRepository place) throws InterruptedException;
  }

  private <T> T first(Question<T> question) throws InterruptedException {
    List<StageletException> failures = new ArrayList<>();
    for (RemoteRepository place : places) {
      try {
        return question.of(place);
      } catch (StageletException failure) {
        failures.add(failure);
      }
    }
    throw all(failures, name);
  }

  /** One exception of all places': the last one's, with the others' words. */
  static StageletException all(List<StageletException> failures, String what) {
    if (failures.isEmpty()) {
      return new StageletException(
          ErrorCode.FAILED_PRECONDITION,
          "no registry is configured that could have %s".formatted(what));
    }
    StageletException last = failures.getLast();
    if (failures.size() == 1) {
      return last;
    }
    List<StageletException> earlier = failures.subList(0, failures.size() - 1);
    String before = String.join("; ", earlier.stream().map(StageletException::reason).toList());
    StageletException all =
        new StageletException(
            last.code(), "%s; before that: %s".formatted(last.getMessage(), before), last);
    earlier.forEach(all::addSuppressed);
    return all;
  }

  /** The first place's name. */
  @Override
  public String toString() {
    return places.isEmpty() ? name : places.getFirst().toString();
  }
}
