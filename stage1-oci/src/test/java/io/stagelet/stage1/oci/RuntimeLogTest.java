package io.stagelet.stage1.oci;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class RuntimeLogTest {
  private static String errors(String text) {
    return RuntimeLog.errors(text, new ObjectMapper());
  }

  @Test
  void theErrorsOfAJsonLogAreItsMessages() {
    assertThat(
            errors(
                """
                {"msg":"careful","level":"warning","time":"x"}
                {"msg":"cannot mount `/a`: No such file","level":"error","time":"x"}
                {"level":"fatal","msg":"and so it ends"}
                """))
        .isEqualTo("cannot mount `/a`: No such file; and so it ends");
    assertThat(errors("")).isEmpty();
    assertThat(errors("{\"msg\":\"fine\",\"level\":\"info\"}\n")).isEmpty();
    assertThat(RuntimeLog.errors(Path.of("/nowhere/at/all"), new ObjectMapper())).isEmpty();
  }

  @Test
  void anErrorOfSeveralLinesIsOneError() {
    assertThat(errors("{\"msg\":\"first\\nsecond\",\"level\":\"error\"}\n"))
        .isEqualTo("first\nsecond");
    assertThat(
            errors(
                """
                {
                  "msg": "spread out",
                  "level": "error"
                }
                {"msg":"next","level":"error"}
                """))
        .isEqualTo("spread out; next");
    assertThat(errors("cannot read the hook's output:\n  line one\n\n  line two\n"))
        .isEqualTo("cannot read the hook's output:\n  line one\n\n  line two");
    assertThat(
            errors(
                """
                time="2026-01-01T00:00:00Z" level=error msg="it said \\"no\\"\\nand more"
                and still more
                time="2026-01-01T00:00:00Z" level=warning msg=careful
                of this
                time="2026-01-01T00:00:00Z" level=error msg="last one"
                """))
        .isEqualTo("it said \"no\"\nand more\nand still more; last one");
  }

  @Test
  void wordsBetweenObjectsAndObjectsThatAreCutOffAreNotLost() {
    assertThat(
            errors(
                "{\"msg\":\"first\",\"level\":\"error\"}\npanic: all is lost\ngoroutine 1\n{\"msg\":\"last\",\"level\":\"error\"}\n"))
        .isEqualTo("first; panic: all is lost\ngoroutine 1; last");
    assertThat(errors("{\"msg\":\"cut o")).isEqualTo("{\"msg\":\"cut o");
    assertThat(errors("{no object}\n")).isEqualTo("{no object}");
  }
}
