/** The pods that a machine goes down under; one thread. */
@NullMarked
package io.stagelet.testhost.shutdown;

import org.jspecify.annotations.NullMarked;
