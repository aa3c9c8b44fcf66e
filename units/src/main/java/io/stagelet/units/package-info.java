/**
 * All that is said to systemd: transient units and their jobs, events and states over D-Bus ({@code
 * org.freedesktop.systemd1(5)}), notifications about this service itself ({@code sd_notify(3)}),
 * and descriptors it was given ({@code sd_listen_fds(3)}).
 *
 * <p>Threads: every class is safe to use from any thread. {@link io.stagelet.units.Units} blocks
 * its caller until systemd has answered, and is meant for virtual threads; listeners are called one
 * after the other on a thread of its own. Nothing ever blocks the thread that reads the bus. D-Bus
 * types stay inside this package.
 *
 * <p>dbus-java logs under {@code org.freedesktop.dbus}; it reports a lost connection there as an
 * error, which {@link io.stagelet.units.Units} handles and reports itself: a program should turn
 * that logger off.
 */
@NullMarked
package io.stagelet.units;

import org.jspecify.annotations.NullMarked;
