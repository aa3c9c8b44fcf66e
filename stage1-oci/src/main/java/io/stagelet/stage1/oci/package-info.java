/** The stage1 that launches containers with an OCI runtime. */
@NullMarked
package io.stagelet.stage1.oci;

import org.jspecify.annotations.NullMarked;
