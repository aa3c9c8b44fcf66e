/**
 * The CRI server: gRPC on a unix socket, the lifecycle of pods and containers, CNI, configuration
 * and {@code main}.
 *
 * <p>Each call runs on a virtual thread of its own. A sandbox and its containers change under that
 * sandbox's lock, and nobody waits for a container's end while holding it. Protobuf types are seen
 * by the classes named {@code …Rpc} and {@code Proto…} only.
 */
@NullMarked
package io.stagelet.cri;

import org.jspecify.annotations.NullMarked;
