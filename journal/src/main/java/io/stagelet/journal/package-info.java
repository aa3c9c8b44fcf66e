/** All that is said to the journal, and the relay. */
@NullMarked
package io.stagelet.journal;

import org.jspecify.annotations.NullMarked;
