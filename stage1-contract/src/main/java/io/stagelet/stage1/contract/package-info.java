/**
 * What {@link io.stagelet.stage0.spi.Stage1} promises, as tests: whoever writes a stage1 extends
 * {@link io.stagelet.stage1.contract.Stage1Contract}. They want root, systemd as PID 1, and a
 * static {@code /usr/bin/busybox}.
 */
@NullMarked
package io.stagelet.stage1.contract;

import org.jspecify.annotations.NullMarked;
