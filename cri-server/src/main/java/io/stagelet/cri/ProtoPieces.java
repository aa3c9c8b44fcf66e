package io.stagelet.cri;

import com.google.protobuf.MessageLite;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * A list cut into messages that are each far below what a client takes at once (16 MiB), however
 * long the list is.
 */
final class ProtoPieces {
  private static final int MOST_BYTES = 1 << 20;

  private ProtoPieces() {}

  /**
   * Sends all pieces but the last to {@code send}, and gives the last.
   *
   * @param message makes an entry's message
   * @param piece makes a message of some of these
   */
  static <D, T extends MessageLite, R> R sent(
      List<D> items, Function<D, T> message, Function<List<T>, R> piece, Consumer<R> send) {
    return sent(items, message, piece, send, MOST_BYTES);
  }

  static <D, T extends MessageLite, R> R sent(
      List<D> items,
      Function<D, T> message,
      Function<List<T>, R> piece,
      Consumer<R> send,
      int mostBytes) {
    List<T> some = new ArrayList<>();
    int bytes = 0;
    for (D item : items) {
      T made = message.apply(item);
      int size = made.getSerializedSize();
      if (!some.isEmpty() && bytes + size > mostBytes) {
        send.accept(piece.apply(List.copyOf(some)));
        some.clear();
        bytes = 0;
      }
      some.add(made);
      bytes += size;
    }
    return piece.apply(List.copyOf(some));
  }
}
