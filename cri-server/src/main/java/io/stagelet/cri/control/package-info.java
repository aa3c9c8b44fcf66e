/**
 * What the server tells of itself by HTTP: to the command {@code stagelet} on a unix socket, and to
 * Prometheus on an address. A virtual thread for each connection, one request in each.
 */
@NullMarked
package io.stagelet.cri.control;

import org.jspecify.annotations.NullMarked;
