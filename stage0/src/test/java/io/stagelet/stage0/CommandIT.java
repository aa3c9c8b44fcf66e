package io.stagelet.stage0;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.stagelet.stage0.command.Main;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

/** The command {@code stage0}, with no server running. */
@Timeout(120)
class CommandIT {
  private record Result(int code, String output, String errors) {
    JsonNode json() throws IOException {
      return JsonMapper.builder().build().readTree(output);
    }
  }

  @TempDir(factory = OnDisk.class)
  Path directory;

  private TestRegistry registry;
  private String image;

  @BeforeEach
  void start() throws IOException {
    registry = new TestRegistry();
    List<byte[]> layers =
        List.of(
            new TarBuilder().file("etc/name", "test").build(),
            new TarBuilder().file("bin/tool", "#!").build());
    image = new TestImage(layers).push(registry, "a/b", "1").canonical();
  }

  @AfterEach
  void stop() {
    registry.close();
  }

  private static Result run(String... arguments) {
    StringWriter output = new StringWriter();
    StringWriter errors = new StringWriter();
    CommandLine line =
        Main.line().setOut(new PrintWriter(output)).setErr(new PrintWriter(errors, true));
    int code = line.execute(arguments);
    line.getOut().flush();
    return new Result(code, output.toString(), errors.toString());
  }

  /** With {@code --json}, on the store of that name; it must succeed. */
  private JsonNode json(String store, String command, String... arguments) throws IOException {
    List<String> all =
        new ArrayList<>(List.of(command, "--json", "--store", directory.resolve(store).toString()));
    all.addAll(List.of(arguments));
    Result result = run(all.toArray(String[]::new));
    assertThat(result.code()).as("%s: %s", command, result.errors()).isZero();
    return result.json();
  }

  @Test
  void eachCommandAnswersInJson() throws IOException {
    String id = json("one", "pull", "--quiet", image).path("id").asText();
    assertThat(id).startsWith("sha256:");

    JsonNode listed = json("one", "list");
    assertThat(listed).hasSize(1);
    assertThat(listed.path(0).path("id").asText()).isEqualTo(id);
    assertThat(listed.path(0).path("tags").path(0).asText()).isEqualTo(image);

    assertThat(json("one", "show", image).path("layers")).hasSize(2);

    Path target = directory.resolve("mounted");
    assertThat(json("one", "mount", image, target.toString()).path("target").asText())
        .isEqualTo(target.toString());
    assertThat(target.resolve("etc/name")).hasContent("test");
    assertThat(json("one", "show", image).path("used").asBoolean()).isTrue();
    assertThat(json("one", "unmount", target.toString()).path("target").asText())
        .isEqualTo(target.toString());
    assertThat(target).isEmptyDirectory();

    assertThat(json("one", "check")).isEmpty();
    assertThat(json("one", "prune")).isEmpty();
    assertThat(json("one", "rm", image).path(0).path("id").asText()).isEqualTo(id);
    assertThat(json("one", "list")).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({"false, false", "false, true", "true, false", "true, true"})
  void whatIsExportedIsImportedInBothFormatsAndShapes(boolean docker, boolean tar)
      throws IOException {
    String _ = json("one", "pull", "--quiet", image).toString();
    Path target = directory.resolve(tar ? "image.tar" : "image");
    if (!tar) {
      Files.createDirectory(target);
    }
    String exported =
        docker
            ? json("one", "export", "--docker", image, target.toString()).path("target").asText()
            : json("one", "export", image, target.toString()).path("target").asText();
    assertThat(exported).isEqualTo(target.toString());
    assertThat(Files.isDirectory(target)).isEqualTo(!tar);

    JsonNode imported = json("two", "import", exported);

    assertThat(imported).hasSize(1);
    assertThat(imported.path(0).path("tags").path(0).asText()).isEqualTo(image);
    Path mounted = directory.resolve("mounted");
    String _ = json("two", "mount", image, mounted.toString()).toString();
    assertThat(mounted.resolve("bin/tool")).hasContent("#!");
    assertThat(mounted.resolve("etc/name")).hasContent("test");
    String _ = json("two", "unmount", mounted.toString()).toString();
    assertThat(json("two", "check")).isEmpty();
  }

  @Test
  void damageIsFoundAndRepaired() throws IOException {
    JsonNode pulled = json("one", "pull", "--quiet", image);
    String layer = json("one", "show", image).path("layers").path(0).asText();
    Path file =
        directory.resolve("one/layers").resolve(layer.replace(':', '/')).resolve("diff/etc/name");
    Files.writeString(file, "tesT");

    Result found = run("check", "--json", "--store", directory.resolve("one").toString());
    assertThat(found.code()).isEqualTo(1);
    assertThat(found.json()).isNotEmpty();

    assertThat(json("one", "check", "--repair")).isNotEmpty();
    assertThat(json("one", "check")).isEmpty();
    assertThat(json("one", "pull", "--quiet", image)).isEqualTo(pulled);
    assertThat(file).hasContent("test");
  }

  @Test
  void whatFailsSaysWhyAndWhatIsThere() {
    Result result = run("show", "--store", directory.resolve("one").toString(), "no/such:1");

    assertThat(result.code()).isEqualTo(1);
    assertThat(result.errors()).contains("no/such:1", "stage0 list");
  }

  @Test
  void helpManualAndCompletionKnowEachCommand() {
    String manual = run("man").output();
    String completion = run("completion").output();

    for (var each : Main.line().getSubcommands().entrySet()) {
      assertThat(run(each.getKey(), "--help").code()).isZero();
      assertThat(completion).contains(each.getKey());
      assertThat(manual).contains(each.getValue().getCommandName());
    }
  }
}
