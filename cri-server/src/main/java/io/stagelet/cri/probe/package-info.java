/** Asks a CRI server whether it answers, with nothing but a socket: no gRPC and no protobuf. */
@NullMarked
package io.stagelet.cri.probe;

import org.jspecify.annotations.NullMarked;
