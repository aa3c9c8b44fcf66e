/** The image service and the Stage1 interface. */
@NullMarked
package io.stagelet.stage0;

import org.jspecify.annotations.NullMarked;
