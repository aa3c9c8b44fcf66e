package io.stagelet.journal;

/**
 * What the relay has done since it began, and how it is.
 *
 * @param bytesRead bytes taken from the containers
 * @param lines lines that went to the journal; a line in parts counts once for each part
 * @param entries journal entries that these were sent in
 * @param logBytes bytes appended to kubelet's files
 * @param stalls how often a stream had to stop since a receiver took nothing
 * @param stalledStreams how many streams wait for a receiver now
 * @param droppedBytes bytes that a receiver did not get, as the policy of their handler says
 */
public record RelayCounters(
    long bytesRead,
    long lines,
    long entries,
    long logBytes,
    long stalls,
    int stalledStreams,
    long droppedBytes) {}
