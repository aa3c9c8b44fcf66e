package io.stagelet.stage0.spi;

import java.util.Optional;

/**
 * The SELinux labels of a sandbox or a container ({@code user:role:type:level}).
 *
 * @param process of its processes; absent for what the policy gives them, as privileged ones have
 *     it
 * @param files of the files that are its own
 */
public record SelinuxLabels(Optional<String> process, String files) {}
