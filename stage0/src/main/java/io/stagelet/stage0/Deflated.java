package io.stagelet.stage0;

import io.stagelet.linux.NativeInflater;
import java.util.Optional;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/** What unpacks raw deflate: ISA-L or zlib. For one thread; closing it frees its memory. */
sealed interface Deflated extends AutoCloseable {
  /** The fastest that this machine has. */
  static Deflated fastest() {
    Optional<NativeInflater> library = NativeInflater.open();
    return library.isPresent() ? new ByIsal(library.get()) : new ByZlib();
  }

  /** Begins with another stream. */
  void reset();

  /**
   * Gives the next bytes, when all of those before were used.
   *
   * @return how many it took
   */
  int input(byte[] bytes, int offset, int length);

  /** Unpacks some; 0 when it wants input, or at the stream's end. */
  int inflate(byte[] target, int offset, int length) throws DataFormatException;

  /** Whether the stream has ended, and all of it was given out. */
  boolean finished();

  /** How many bytes of what was given last are behind the stream's end. */
  int remaining();

  @Override
  void close();

  /** Java's, which is zlib. */
  final class ByZlib implements Deflated {
    private final Inflater inflater = new Inflater(true);

    @Override
    public void reset() {
      inflater.reset();
    }

    @Override
    public int input(byte[] bytes, int offset, int length) {
      inflater.setInput(bytes, offset, length);
      return length;
    }

    @Override
    public int inflate(byte[] target, int offset, int length) throws DataFormatException {
      return inflater.inflate(target, offset, length);
    }

    @Override
    public boolean finished() {
      return inflater.finished();
    }

    @Override
    public int remaining() {
      return inflater.getRemaining();
    }

    @Override
    public void close() {
      inflater.end();
    }
  }

  /** The machine's ISA-L. */
  record ByIsal(NativeInflater inflater) implements Deflated {
    @Override
    public void reset() {
      inflater.reset();
    }

    @Override
    public int input(byte[] bytes, int offset, int length) {
      return inflater.input(bytes, offset, length);
    }

    @Override
    public int inflate(byte[] target, int offset, int length) throws DataFormatException {
      return inflater.inflate(target, offset, length);
    }

    @Override
    public boolean finished() {
      return inflater.finished();
    }

    @Override
    public int remaining() {
      return inflater.remaining();
    }

    @Override
    public void close() {
      inflater.close();
    }
  }
}
