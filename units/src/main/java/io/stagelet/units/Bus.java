package io.stagelet.units;

import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;
import org.freedesktop.dbus.connections.IDisconnectCallback;
import org.freedesktop.dbus.connections.impl.DBusConnection;
import org.freedesktop.dbus.connections.impl.DBusConnectionBuilder;
import org.freedesktop.dbus.exceptions.DBusException;
import org.freedesktop.dbus.exceptions.DBusExecutionException;
import org.freedesktop.dbus.matchrules.DBusMatchRule;
import org.freedesktop.dbus.matchrules.DBusMatchRuleBuilder;
import org.freedesktop.dbus.messages.DBusSignal;
import org.freedesktop.dbus.messages.Error;
import org.freedesktop.dbus.messages.Message;
import org.freedesktop.dbus.messages.MethodCall;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * One connection to the bus, from its start to its loss; it never comes back, a new one takes its
 * place.
 *
 * <p>Calls are built as plain messages, without proxies: each is one message and one reply. Signals
 * are taken from systemd's own unique name only, because anybody on the bus may send a signal that
 * looks like one of systemd's. When that name goes away (systemd executed itself again), the
 * connection counts as lost, too.
 */
final class Bus implements AutoCloseable {
  /** Takes a signal on the thread that reads the bus: never blocks. */
  @FunctionalInterface
  interface SignalHandler {
    void handle(String path, Object[] arguments);
  }

  static final String SYSTEMD = "org.freedesktop.systemd1";
  static final String PROPERTIES = "org.freedesktop.DBus.Properties";

  private static final String BUS = "org.freedesktop.DBus";
  private static final String BUS_PATH = "/org/freedesktop/DBus";
  private static final String LOST = "the connection to the bus is lost";
  private static final Duration PATIENCE = Duration.ofSeconds(30);
  private static final Logger LOG = LoggerFactory.getLogger(Bus.class);

  private final Path socket;
  private final boolean direct;
  private final Consumer<Bus> onLoss;
  private final DBusConnection connection;

  /** Whose signals count; empty when nobody else is at the other end. */
  private final Optional<String> systemd;

  private final LongAdder calls;
  private final AtomicBoolean lost = new AtomicBoolean();
  private final Set<Call> inFlight = ConcurrentHashMap.newKeySet();

  /** A call whose reply completes a future, on the thread that reads the bus. */
  private static final class Call extends MethodCall {
    private final CompletableFuture<Message> reply = new CompletableFuture<>();

    private Call(
        byte endianness,
        String destination,
        String path,
        String interfaceName,
        String member,
        String signature,
        Object... arguments)
        throws DBusException {
      super(
          endianness,
          destination,
          path,
          interfaceName,
          member,
          (byte) 0,
          signature.isEmpty() ? null : signature,
          arguments);
    }

    @Override
    public synchronized void setReply(Message message) {
      super.setReply(message);
      reply.complete(message);
    }
  }

  /**
   * Connects.
   *
   * @param direct whether the socket is a systemd's own ({@code /run/systemd/private}), with no bus
   *     in between: nobody is greeted there, and every signal is systemd's
   * @param onLoss called once when the connection is lost or closed, on any thread: never blocks
   * @param calls counts what is sent
   * @throws StageletException {@code UNAVAILABLE} when there is no bus, or no systemd on it
   */
  Bus(Path socket, boolean direct, Consumer<Bus> onLoss, LongAdder calls) {
    this.calls = calls;
    this.socket = socket;
    this.direct = direct;
    this.onLoss = onLoss;
    try {
      connection =
          DBusConnectionBuilder.forAddress("unix:path=" + socket)
              .withShared(false)
              .transportConfig()
              .withRegisterSelf(!direct)
              .back()
              .receivingThreadConfig()
              .withSignalThreadCount(1) // keeps their order
              .withErrorHandlerThreadCount(1)
              .withMethodCallThreadCount(1)
              .withMethodReturnThreadCount(1)
              .connectionConfig()
              .withDisconnectCallback(
                  new IDisconnectCallback() {
                    @Override
                    public void disconnectOnError(IOException failure) {
                      lose();
                    }

                    @Override
                    public void requestedDisconnect(Integer connectionId) {
                      lose();
                    }

                    @Override
                    public void clientDisconnect() {
                      lose();
                    }
                  })
              .build();
    } catch (DBusException failure) {
      throw new StageletException(
          ErrorCode.UNAVAILABLE,
          (direct
                  ? "could not connect to the systemd that listens at %s: %s"
                  : "could not connect to the system bus at %s: %s; is dbus.socket active?")
              .formatted(socket, StageletException.reason(failure)),
          failure);
    }
    if (direct) {
      systemd = Optional.empty();
      return;
    }
    try {
      // watched before it is asked for, so that no change is missed
      onSignal(
          DBusMatchRuleBuilder.create()
              .withType("signal")
              .withSender(BUS)
              .withInterface(BUS)
              .withMember("NameOwnerChanged")
              .withArg0123(0, SYSTEMD)
              .build(),
          (path, arguments) -> lose());
      Object[] owner = call(BUS, BUS_PATH, BUS, "GetNameOwner", "s", SYSTEMD);
      systemd = Optional.of((String) owner[0]);
    } catch (StageletException failure) {
      close();
      throw new StageletException(
          ErrorCode.UNAVAILABLE,
          "systemd is not on the bus at %s: %s"
              .formatted(socket, StageletException.reason(failure)),
          failure);
    }
  }

  /** A rule for a signal of systemd; more may be added to it. */
  DBusMatchRuleBuilder signalOf(String interfaceName, String member) {
    DBusMatchRuleBuilder rule =
        DBusMatchRuleBuilder.create()
            .withType("signal")
            .withInterface(interfaceName)
            .withMember(member);
    return systemd.map(rule::withSender).orElse(rule);
  }

  /** From now on, hands matching signals to {@code handler}, in their order. */
  void onSignal(DBusMatchRule rule, SignalHandler handler) {
    try {
      // closing the connection ends it
      var _ = connection.addGenericSigHandler(rule, signal -> hand(signal, handler));
    } catch (NullPointerException noBus) {
      // dbus-java 5.2.2 has the handler, and then looks for the bus to tell it the rule, without
      // asking whether there is one: a direct connection has none, and none that filters
      if (!direct) {
        throw noBus;
      }
    } catch (DBusException failure) {
      throw new StageletException(
          lost.get() ? ErrorCode.UNAVAILABLE : ErrorCode.INTERNAL,
          "could not listen for signals on the bus at %s: %s"
              .formatted(socket, StageletException.reason(failure)),
          failure);
    }
  }

  /** Calls systemd, and waits for its answer. */
  Object[] callSystemd(
      String path, String interfaceName, String member, String signature, Object... arguments) {
    return sendToSystemd(path, interfaceName, member, signature, arguments).await();
  }

  /**
   * Calls systemd without waiting: calls sent one after the other are answered in that order, in
   * one round trip.
   */
  Reply sendToSystemd(
      String path, String interfaceName, String member, String signature, Object... arguments) {
    return send(SYSTEMD, path, interfaceName, member, signature, arguments);
  }

  /** Whether the connection is over. */
  boolean isLost() {
    return lost.get();
  }

  /** Ends the connection; calls under way fail. */
  @Override
  public void close() {
    lose();
    connection.disconnect();
  }

  private static void hand(DBusSignal signal, SignalHandler handler) {
    try {
      handler.handle(signal.getPath(), signal.getParameters());
    } catch (DBusException | RuntimeException failure) {
      UnitsEvent.NEWS_UNREAD
          .on(LOG)
          .setCause(failure)
          .log("a signal {} of {} could not be handled", signal.getName(), signal.getPath());
    }
  }

  /** Calls whoever has a name on the bus, and waits for the answer. */
  Object[] call(
      String destination,
      String path,
      String interfaceName,
      String member,
      String signature,
      Object... arguments) {
    return send(destination, path, interfaceName, member, signature, arguments).await();
  }

  private Reply send(
      String destination,
      String path,
      String interfaceName,
      String member,
      String signature,
      Object... arguments) {
    Call call = build(destination, path, interfaceName, member, signature, arguments);
    inFlight.add(call);
    calls.increment();
    var _ = call.reply.whenComplete((reply, failure) -> inFlight.remove(call));
    if (lost.get()) {
      call.reply.completeExceptionally(new IOException(LOST));
    } else {
      try {
        connection.sendMessage(call);
      } catch (DBusExecutionException | RejectedExecutionException notConnected) {
        LOG.debug("{} could not be sent", member, notConnected);
        lose();
      }
    }
    return new Reply(member, call);
  }

  /** The answer to a call, when it has come. */
  final class Reply {
    private final String member;
    private final Call call;

    private Reply(String member, Call call) {
      this.member = member;
      this.call = call;
    }

    /**
     * Waits for it.
     *
     * @throws BusException when it is an error
     * @throws StageletException {@code UNAVAILABLE} when the bus is lost first, {@code
     *     DEADLINE_EXCEEDED} when it does not come, {@code CANCELLED} when the thread is
     *     interrupted
     */
    Object[] await() {
      try {
        Message reply = call.reply.get(PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
        if (reply instanceof Error error) {
          throw refused(member, error);
        }
        Object[] results = reply.getParameters();
        return results == null ? new Object[0] : results;
      } catch (ExecutionException failure) {
        throw gone(member);
      } catch (TimeoutException failure) {
        call.reply.cancel(false);
        throw new StageletException(
            ErrorCode.DEADLINE_EXCEEDED,
            "systemd did not answer %s within %s; it may be overloaded or hang"
                .formatted(member, PATIENCE),
            failure);
      } catch (InterruptedException failure) {
        Thread.currentThread().interrupt();
        call.reply.cancel(false);
        throw new StageletException(
            ErrorCode.CANCELLED,
            "the call %s was given up: its caller went away".formatted(member),
            failure);
      } catch (DBusException failure) {
        throw broken(member, failure);
      }
    }
  }

  private Call build(
      String destination,
      String path,
      String interfaceName,
      String member,
      String signature,
      Object... arguments) {
    try {
      return new Call(
          connection.getMessageFactory().getEndianess(),
          destination,
          path,
          interfaceName,
          member,
          signature,
          arguments);
    } catch (DBusException failure) {
      throw broken(member, failure);
    }
  }

  private void lose() {
    if (lost.compareAndSet(false, true)) {
      for (Call call : inFlight) {
        call.reply.completeExceptionally(new IOException(LOST));
      }
      onLoss.accept(this);
    }
  }

  private StageletException refused(String member, Error error) throws DBusException {
    if (lost.get() || !connection.isConnected()) {
      return gone(member);
    }
    Object[] arguments = error.getParameters();
    String words =
        arguments != null && arguments.length > 0 ? String.valueOf(arguments[0]) : error.getName();
    return new BusException(error.getName(), "systemd refused %s: %s".formatted(member, words));
  }

  private StageletException gone(String member) {
    return new StageletException(
        ErrorCode.UNAVAILABLE,
        "the connection to the bus at %s was lost during %s; it is being made again"
            .formatted(socket, member));
  }

  private static StageletException broken(String member, Exception failure) {
    return new StageletException(
        ErrorCode.INTERNAL,
        "the call %s could not be put into a message, or its answer not be read: %s"
            .formatted(member, StageletException.reason(failure)),
        failure);
  }
}
