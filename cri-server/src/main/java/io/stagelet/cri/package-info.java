/** The CRI server. */
@NullMarked
package io.stagelet.cri;

import org.jspecify.annotations.NullMarked;
