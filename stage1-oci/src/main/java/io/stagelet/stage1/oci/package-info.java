/**
 * The stage1 that launches containers with an OCI runtime: crun, runc, or any with their command
 * line.
 *
 * <p>A pod is a unit without a process, which owns the pod's namespaces; a container is a forking
 * service whose main process is the container's first, so that systemd itself reaps it. Nothing is
 * kept in memory: all is on the tmpfs or in systemd.
 */
@NullMarked
package io.stagelet.stage1.oci;

import org.jspecify.annotations.NullMarked;
