package io.stagelet.stage0;

import java.nio.file.Path;
import java.time.Instant;

/**
 * The room that the store takes.
 *
 * @param directory the store
 * @param bytes on the disk
 * @param inodes files, directories and links
 * @param at when this was so
 */
public record ImageFsUsage(Path directory, long bytes, long inodes, Instant at) {}
