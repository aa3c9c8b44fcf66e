/**
 * Commands for those who operate a node: what a pod wrote ({@link
 * io.stagelet.cri.command.LogsCommand}), and all that happened to it ({@link
 * io.stagelet.cri.command.StoryCommand}). They read the journal through {@code journalctl(1)}, ask
 * no server, and so work when there is none, and for pods that were removed.
 *
 * <p>Threads: each command runs on the thread that calls it.
 */
@NullMarked
package io.stagelet.cri.command;

import org.jspecify.annotations.NullMarked;
