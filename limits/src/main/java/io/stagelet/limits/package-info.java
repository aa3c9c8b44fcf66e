/**
 * What a container may use ({@link io.stagelet.stage0.spi.ContainerPlan.Resources}), as properties
 * of its unit and as files of its control group: the same for every stage1. Nothing here keeps
 * state; all of it may be called on any thread.
 */
@NullMarked
package io.stagelet.limits;

import org.jspecify.annotations.NullMarked;
