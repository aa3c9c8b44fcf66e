/**
 * All that is said to the journal: entries in the native protocol ({@link
 * io.stagelet.journal.Journal}), and the relay that carries what containers write to the journal
 * and to kubelet's log files ({@link io.stagelet.journal.Relay}).
 *
 * <pre>
 *   container ──FIFO──▶ spool (tmpfs) ──▶ log file of kubelet      each line, CRI format
 *                                     └─▶ journald                 one entry per line, or several under load
 * </pre>
 *
 * <p>Threads: {@link io.stagelet.journal.Journal} and {@link io.stagelet.journal.Relay} may be used
 * from any thread. One platform thread, that of {@link io.stagelet.journal.RelayLoop}, owns
 * everything about the containers' output.
 */
@NullMarked
package io.stagelet.journal;

import org.jspecify.annotations.NullMarked;
