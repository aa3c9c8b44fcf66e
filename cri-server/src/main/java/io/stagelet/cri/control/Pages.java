package io.stagelet.cri.control;

/** What is served. */
@FunctionalInterface
public interface Pages {
  /**
   * An answer.
   *
   * @param status of HTTP
   * @param type of the body, as Content-Type has it
   */
  record Answer(int status, String type, String body) {
    /** JSON. */
    public static Answer json(String body) {
      return new Answer(200, "application/json", body);
    }

    /** Words. */
    public static Answer text(int status, String body) {
      return new Answer(status, "text/plain; charset=utf-8", body);
    }
  }

  /** Answers a request; on a thread that may block. */
  Answer answer(String method, String path);
}
