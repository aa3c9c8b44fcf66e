/**
 * What pods and containers use: read from the kernel's files and put into records, without a
 * process and without a word to systemd. It knows nothing of CRI and of the pods that there are.
 *
 * <p>Threads: records are immutable; {@link io.stagelet.cri.stats.KernelFiles} belongs to one
 * thread; everything else is safe for any.
 */
@NullMarked
package io.stagelet.cri.stats;

import org.jspecify.annotations.NullMarked;
