/** Compares the generated interface with what Kubernetes publishes. */
@NullMarked
package io.stagelet.cri.v1;

import org.jspecify.annotations.NullMarked;
