/**
 * Tools that run on a test machine and speak CRI to the runtime there: the load generators and the
 * demonstration. Each is a main class of one thread; nothing here is part of what is shipped.
 */
@NullMarked
package io.stagelet.testhost;

import org.jspecify.annotations.NullMarked;
