/** The demonstration: one pod's way through the runtime, told call by call. */
@NullMarked
package io.stagelet.testhost.demo;

import org.jspecify.annotations.NullMarked;
