/** All that is said to systemd. */
@NullMarked
package io.stagelet.units;

import org.jspecify.annotations.NullMarked;
