/**
 * What a CRI runtime must do, as tests that speak CRI to a socket: they know behaviour, and nothing
 * of an implementation. Each {@code *IT} class is about one concern and is run once for each
 * runtime handler.
 *
 * <p>They want root, systemd as PID 1, and Debian's busybox-static, docker-registry and
 * containernetworking-plugins; the images are built here and pushed to a registry of their own.
 *
 * <p>System properties:
 *
 * <ul>
 *   <li>{@code cri.endpoint}, such as {@code unix:///run/containerd/containerd.sock}: the runtime
 *       to test, already running. Without it, {@code stagelet serve} of this build is started for
 *       the run ({@link io.stagelet.cri.conformance.StageletRuntime}).
 *   <li>{@code cri.handler}: the handlers to run with, separated by commas. Without it, all of
 *       Stagelet's, or the other runtime's default.
 *   <li>{@code cri.registry.port}: the port of the registry on the loopback interface, where a
 *       runtime's own configuration must name it: its pause image is {@code
 *       127.0.0.1:PORT/conformance/pause:1}. Without it, any free one.
 * </ul>
 *
 * <p>Against another runtime, {@code docs/conformance.md} says how, what is asked of Stagelet only,
 * and which tests containerd fails and why they are right nevertheless.
 *
 * <p>Tests may run in any order, one after the other. A test removes the pods it makes, and after
 * each class {@link io.stagelet.cri.conformance.Leftovers} are looked for.
 */
@NullMarked
package io.stagelet.cri.conformance;

import org.jspecify.annotations.NullMarked;
