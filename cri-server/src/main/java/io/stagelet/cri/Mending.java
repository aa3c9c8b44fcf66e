package io.stagelet.cri;

import io.stagelet.linux.StageletException;

/**
 * Brings in order what an {@link Inspection} finds of a sandbox or container whose record is there.
 */
interface Mending {
  /**
   * Makes the record, systemd and the machine say the same of a sandbox or container. Nothing is
   * ended that its record says to run.
   *
   * @throws StageletException when it cannot be done, or there is no record with this id
   */
  void settle(String id);

  /**
   * Ends what runs of a sandbox or container and cannot be made good; kubelet makes it anew.
   *
   * @throws StageletException as {@link #settle} does
   */
  void end(String id);
}
