/**
 * The command {@code stage0}: what the image service can do, for a person at a terminal or a
 * script. Works on the store itself, whether the server runs or not. One thread, but that pulls
 * tell of their progress from several.
 */
@NullMarked
package io.stagelet.stage0.command;

import org.jspecify.annotations.NullMarked;
