/**
 * The keys of the configuration, all in one table, and the files that give them values. What is
 * made of the values is up to whoever reads them. Everything here is immutable, or used by one
 * thread.
 */
@NullMarked
package io.stagelet.cri.configuration;

import org.jspecify.annotations.NullMarked;
