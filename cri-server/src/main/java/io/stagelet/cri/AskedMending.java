package io.stagelet.cri;

import io.stagelet.cri.command.ControlClient;

/** Asks the server that runs to mend. */
final class AskedMending implements Mending {
  private final ControlClient server;

  AskedMending(ControlClient server) {
    this.server = server;
  }

  @Override
  public void settle(String id) {
    var _ = server.text("POST", "/v1/settle/" + id);
  }

  @Override
  public void end(String id) {
    var _ = server.text("POST", "/v1/end/" + id);
  }
}
