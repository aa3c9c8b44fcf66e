/** The stage1 that boots a pod as a systemd-nspawn machine. Its classes come with their issue. */
@NullMarked
package io.stagelet.stage1.nspawn;

import org.jspecify.annotations.NullMarked;
