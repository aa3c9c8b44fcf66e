package io.stagelet.cri.streaming;

import io.stagelet.linux.Command;
import io.stagelet.stage0.spi.Stage1;
import java.net.URI;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;

/** A streaming server whose containers are this machine itself. */
final class LocalStreams implements AutoCloseable {
  private final StreamingServer server;
  private final AtomicInteger open = new AtomicInteger();

  LocalStreams(StreamingSettings settings, Clock clock) {
    server = new StreamingServer(settings, clock, new SecureRandom());
  }

  LocalStreams(StreamingSettings settings) {
    this(settings, Clock.systemUTC());
  }

  LocalStreams() {
    this(StreamingSettings.defaults());
  }

  /** The defaults with other timeouts. */
  static StreamingSettings timeouts(Duration idle, Duration creation) {
    StreamingSettings defaults = StreamingSettings.defaults();
    return new StreamingSettings(
        defaults.address(), defaults.port(), defaults.tls(), idle, creation);
  }

  StreamingServer server() {
    return server;
  }

  /** How many execs are open. */
  AtomicInteger open() {
    return open;
  }

  /** A program of this machine, as a stage1 would give it. */
  private final class LocalExec implements Stage1.Exec {
    private final Command command;

    LocalExec(String script) {
      this.command = Command.of("/bin/sh", "-c", script);
      open.incrementAndGet();
    }

    @Override
    public Command command() {
      return command;
    }

    @Override
    public Optional<String> refusal() {
      return Optional.empty();
    }

    @Override
    public void kill() {}

    @Override
    public void close() {
      open.decrementAndGet();
    }
  }

  /** Where a session with a shell's script is. */
  String url(String script, CommandClient.Wish wish) {
    return url(() -> new LocalExec(script), wish);
  }

  /** Where a session with a process is. */
  String url(Supplier<Stage1.Exec> exec, CommandClient.Wish wish) {
    return url(
        "exec",
        wish,
        loop ->
            new ExecEnd(
                loop,
                server.blocking(),
                exec,
                new ExecEnd.Wish(wish.stdin(), wish.stdout(), wish.stderr(), wish.terminal())));
  }

  /** Where a session with anything is. */
  String url(String kind, CommandClient.Wish wish, HostEndOpener host) {
    return server.url(
        new StreamRequest.CommandSession(
            kind, wish.stdin(), wish.stdout(), wish.stderr(), wish.terminal(), host));
  }

  /** Runs a shell's script in a session. */
  CommandClient client(CommandClient.Protocol protocol, String script, CommandClient.Wish wish) {
    return CommandClient.open(protocol, url(script, wish), wish);
  }

  /** Where these ports of this machine are forwarded. */
  URI forwarded(Integer... ports) {
    return URI.create(
        server.url(new StreamRequest.PortSession("n/p", Optional.empty(), List.of(ports))));
  }

  @Override
  public void close() {
    server.close();
  }
}
