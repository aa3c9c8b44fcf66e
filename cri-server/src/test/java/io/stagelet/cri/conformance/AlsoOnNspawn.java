package io.stagelet.cri.conformance;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Marks the suites that are run for the stage1 {@code nspawn} as well when nobody says for which
 * handlers: those about what a stage1 does. The others are run for it with {@code
 * -Dcri.handler=nspawn}.
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@interface AlsoOnNspawn {
  /** Whether the suite is about this stage1, and run for no other. */
  boolean alone() default false;
}
