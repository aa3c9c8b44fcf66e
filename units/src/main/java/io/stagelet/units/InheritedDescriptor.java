package io.stagelet.units;

/**
 * A descriptor this process was started with.
 *
 * @param fd its number; whoever takes it closes it
 * @param name what the unit file ({@code FileDescriptorName=}) or {@link SdNotify#store} called it
 */
public record InheritedDescriptor(int fd, String name) {}
