/**
 * The few system calls that Java lacks, through {@code java.lang.foreign}, and what every room
 * stands on: the exception root, the one way to run a subprocess, durable writes, and the clean-up
 * of half-done work.
 *
 * <p>Nothing here keeps state between calls. A {@code MemorySegment} never leaves this package.
 * Every class is safe to use from any thread unless it says otherwise.
 */
@NullMarked
package io.stagelet.linux;

import org.jspecify.annotations.NullMarked;
