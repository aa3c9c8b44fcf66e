package io.stagelet.journal;

/** What happens to a container whose output the journal or kubelet's file does not take. */
public enum OutputPolicy {
  /** It is held up in its write call until they do. Nothing is lost. */
  BLOCK,
  /** It goes on, and what they did not take is dropped for them and counted. */
  DROP
}
