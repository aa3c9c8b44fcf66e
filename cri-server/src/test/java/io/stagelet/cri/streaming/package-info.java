/** Tests of the streaming server, and clients of both its protocols, which other tests use too. */
@NullMarked
package io.stagelet.cri.streaming;

import org.jspecify.annotations.NullMarked;
