package io.stagelet.stage1.contract;

import io.stagelet.linux.DescriptorCalls;
import io.stagelet.linux.Fifo;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** The reading end of a FIFO, open before anybody writes: the relay's part. */
final class Output implements AutoCloseable {
  private static final int ENOUGH = 64 << 10;

  private final Path fifo;
  private final int descriptor;
  private final DescriptorCalls calls = new DescriptorCalls();
  private final ByteBuffer buffer = ByteBuffer.allocateDirect(ENOUGH);

  Output(Path fifo) {
    this.fifo = fifo;
    this.descriptor = Fifo.openForReading(fifo);
  }

  Path fifo() {
    return fifo;
  }

  /** All that has come until now. */
  String soFar() {
    int count;
    do {
      count = calls.read(descriptor, buffer);
    } while (count > 0);
    return StandardCharsets.UTF_8.decode(buffer.duplicate().flip()).toString();
  }

  @Override
  public void close() {
    calls.close(descriptor);
  }
}
