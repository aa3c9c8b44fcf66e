package io.stagelet.journal;

import java.util.OptionalInt;

/** Knows what of a stream is in the journal. */
interface SentEntries {
  /**
   * The number ({@code STAGELET_SEQUENCE}) of the stream's last entry in the journal, after
   * journald has written down all that was sent to it.
   *
   * @param containerId the entry's {@code CONTAINER_ID_FULL}
   * @param stream the entry's {@code STREAM}
   * @return nothing when there is no entry
   * @throws io.stagelet.linux.StageletException when the journal could not be asked
   */
  OptionalInt lastSequence(String containerId, String stream);
}
