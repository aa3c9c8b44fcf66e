/**
 * Exec, attach and port-forward: the server that kubelet's clients are sent to, and what they talk
 * to there.
 *
 * <pre>
 *   client ──▶ SpdySession ─▶ SpdyCommand ──┐               ┌── ExecEnd       pipes or a terminal of a process
 *     │                                     ├─ ClientEnd ⇄ HostEnd
 *     └──────▶ WebSocketCommand ────────────┘               └── ContainerEnd  the relay's taps, the container's input
 *
 *   client ──▶ SpdySession ─▶ SpdyForward, or WebSocketForward ─ PortClient ⇄ PodConnection ──▶ a socket in the pod
 * </pre>
 *
 * <p>Threads: a session lives on the event loop of its connection, and so do its descriptors and
 * its sockets; nothing in it is locked. What may block (a stage1, namespaces, the relay) is done on
 * virtual threads, and its answer comes back to the loop. Back-pressure is whole: what a client
 * does not take is not read from a process, and what a process does not read is not taken from a
 * client. The one exception is attach, where a slow client is cut off: it must not slow the
 * container.
 */
@NullMarked
package io.stagelet.cri.streaming;

import org.jspecify.annotations.NullMarked;
