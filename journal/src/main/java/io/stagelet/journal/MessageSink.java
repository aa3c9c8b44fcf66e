package io.stagelet.journal;

/** Where this program's own messages go. It never waits, and never fails its caller. */
interface MessageSink {
  void say(LogMessage message);
}
