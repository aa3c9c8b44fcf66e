/** The load generators: they measure a runtime from outside, by the calls that kubelet makes. */
@NullMarked
package io.stagelet.testhost.bench;

import org.jspecify.annotations.NullMarked;
