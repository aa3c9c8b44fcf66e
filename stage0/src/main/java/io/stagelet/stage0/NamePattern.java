package io.stagelet.stage0;

import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Names of images: {@code *} stands for anything but a slash, and at the end for all that follows;
 * a pattern without tag or digest is about all of them.
 *
 * @param text the pattern
 */
record NamePattern(String text) {
  /** Whether {@code name}, written out with tag or digest, is one of them. */
  boolean matches(String name) {
    boolean open = text.endsWith("*");
    String head = open ? text.substring(0, text.length() - 1) : text;
    String expression =
        Pattern.compile("\\*")
            .splitAsStream(head)
            .map(Pattern::quote)
            .collect(Collectors.joining("[^/]*"));
    // what is left out at the end: a tag or a digest, never more of the name
    return name.matches(expression + (open ? ".*" : "(?:[:@][^/]*)?"));
  }
}
