package io.stagelet.cri;

/** Parts of an SELinux label that are asked for; empty ones are not. */
record SelinuxOptions(String user, String role, String type, String level) {
  static final SelinuxOptions NONE = new SelinuxOptions("", "", "", "");

  boolean isEmpty() {
    return equals(NONE);
  }
}
