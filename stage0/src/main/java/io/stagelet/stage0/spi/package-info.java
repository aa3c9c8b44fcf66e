/**
 * The contract between the server and a stage1: what a stage1 is asked to do ({@link Stage1}), how
 * it is found ({@link Stage1Provider}), and the plans and states that cross it.
 *
 * <p>A plan is made once, is stored beside the pod or container, and is handed over unchanged with
 * every call, also after a restart of the server; so a stage1 keeps nothing of its own in memory
 * that it needs. Records here are stored as JSON: a new component must have a meaning when it is
 * absent.
 */
@NullMarked
package io.stagelet.stage0.spi;

import org.jspecify.annotations.NullMarked;
