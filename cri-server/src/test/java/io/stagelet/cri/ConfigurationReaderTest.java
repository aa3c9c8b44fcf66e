package io.stagelet.cri;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.dataformat.toml.TomlMapper;
import io.stagelet.cri.configuration.ConfigurationFiles;
import io.stagelet.cri.configuration.ConfigurationKey;
import io.stagelet.cri.configuration.ConfigurationKeys;
import io.stagelet.cri.configuration.ConfigurationText;
import io.stagelet.cri.configuration.Mistake;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.event.Level;

/** The files of the configuration, and what is made of them. */
class ConfigurationReaderTest {
  @TempDir private Path directory;

  private Path main(String text) throws IOException {
    return Files.writeString(directory.resolve("stagelet.toml"), text);
  }

  private void dropIn(String name, String text) throws IOException {
    Path folder = Files.createDirectories(directory.resolve("stagelet.toml.d"));
    Files.writeString(folder.resolve(name), text);
  }

  @Test
  void withoutAFileAllHasItsDefault() {
    assertThat(ConfigurationReader.read(directory.resolve("absent.toml")))
        .isEqualTo(Configuration.defaults());
  }

  @Test
  void theTableSaysTheDefaultsThatHold() throws IOException {
    StringBuilder all = new StringBuilder();
    for (ConfigurationKey key : ConfigurationKeys.all()) {
      if (!key.standard().isEmpty() && !key.name().startsWith("handlers.")) {
        all.append(key.name()).append(" = ").append(key.standard()).append('\n');
      }
    }

    assertThat(ConfigurationReader.read(main(all.toString()))).isEqualTo(Configuration.defaults());
  }

  @Test
  void theFileOfDefaultsCanBeUsedAsItIs() throws IOException {
    assertThat(ConfigurationReader.read(main(ConfigurationText.toml())))
        .isEqualTo(Configuration.defaults());
    String uncommented =
        ConfigurationText.toml()
            .lines()
            .filter(line -> line.startsWith("#") && !line.startsWith("# ") && !line.contains("…"))
            .map(line -> line.substring(1))
            .reduce("", (text, line) -> text + line + "\n");
    assertThat(new TomlMapper().readTree(uncommented).path("log").path("level").asText())
        .isEqualTo("info");
  }

  @Test
  void aDropInWinsKeyByKey() throws IOException {
    Path file = main("root = \"/a\"\n[cni]\nconf-dir = \"/b\"\nbin-dirs = [\"/c\"]\n");
    dropIn("20.toml", "[cni]\nconf-dir = \"/second\"\n");
    dropIn("10.toml", "[cni]\nconf-dir = \"/first\"\n[log]\nlevel = \"WARN\"\n");
    dropIn("30.conf", "not even TOML");

    Configuration configuration = ConfigurationReader.read(file);

    assertThat(configuration.root()).isEqualTo(Path.of("/a"));
    assertThat(configuration.cniConfigurationDirectory()).isEqualTo(Path.of("/second"));
    assertThat(configuration.cniBinaryDirectories()).containsExactly(Path.of("/c"));
    assertThat(configuration.log().usual()).isEqualTo(Level.WARN);
    assertThat(ConfigurationFiles.read(file).origin(List.of("cni", "conf-dir")))
        .hasToString("Optional[%s/stagelet.toml.d/20.toml:2]".formatted(directory));
  }

  @Test
  void allMistakesOfAllFilesAreToldWithTheirLines() throws IOException {
    Path file =
        main(
            """
            socket = "relative"
            [cni]
            conf-dirs = "/x"
            bin-dirs = [
              "/a",
              "b" ]
            [handlers.x]
            annotation = 3
            [streaming]
            port = 70000
            tls-key = "/k"
            """);
    dropIn("50.toml", "nonsense = 1\n[log]\nlevels = { \"a.b\" = \"loud\" }\n");
    dropIn("60.toml", "[log]\nlevel = \n");

    List<Mistake> mistakes = ConfigurationReader.mistakes(ConfigurationFiles.read(file));

    assertThat(mistakes)
        .extracting(mistake ->
            "%s:%d:%s".formatted(mistake.file().getFileName(), mistake.line(), mistake.key()))
        .containsExactlyInAnyOrder(
            "stagelet.toml:0:default-handler",
            "stagelet.toml:1:socket",
            "stagelet.toml:3:cni.conf-dirs",
            "stagelet.toml:4:cni.bin-dirs",
            "stagelet.toml:7:handlers.x",
            "stagelet.toml:8:handlers.x.annotation",
            "stagelet.toml:10:streaming.port",
            "stagelet.toml:11:streaming.tls-key",
            "50.toml:1:nonsense",
            "50.toml:3:log.levels.a.b",
            "60.toml:2:");
    assertThatThrownBy(() -> ConfigurationReader.read(file))
        .hasMessageContaining("11 mistakes")
        .hasMessageContaining(
            file + ":10: streaming.port: must be a whole number (number, 0 to 65535), not 70000");
  }

  @Test
  void aReloadAppliesWhatItCanAndTellsWhatWaits() throws IOException {
    Path file = main("root = \"/a\"\n[log]\nlevel = \"warn\"\n");
    LiveConfiguration live = LiveConfiguration.read(file);
    main(
        """
        root = "/b"
        default-handler = "runc"
        [cni]
        conf-dir = "/networks"
        [handlers.crun]
        stage1 = "oci"
        annotation = false
        [handlers.runc]
        stage1 = "oci"
        output = "drop"
        """);

    LiveConfiguration.Change change = live.reload();

    assertThat(change.applied())
        .containsExactlyInAnyOrder(
            "default-handler", "cni.conf-dir", "handlers.crun.annotation", "log.level");
    assertThat(change.waiting())
        .containsExactlyInAnyOrder(
            "root", "handlers.crun.stage1", "handlers.runc.stage1", "handlers.runc.output");
    assertThat(live.now().root()).isEqualTo(Path.of("/a"));
    assertThat(live.now().defaultHandler()).isEqualTo("runc");
    assertThat(live.now().cniConfigurationDirectory()).isEqualTo(Path.of("/networks"));
    assertThat(live.now().log().usual()).isEqualTo(Level.INFO);
    assertThat(live.now().handlers().get("crun"))
        .satisfies(handler -> assertThat(handler.annotation()).isFalse());
    assertThat(live.reload().waiting()).contains("root");
    assertThat(live.reload().applied()).isEmpty();
  }

  @Test
  void aReloadOfMistakesChangesNothing() throws IOException {
    Path file = main("[log]\nlevel = \"warn\"\n");
    LiveConfiguration live = LiveConfiguration.read(file);
    Configuration before = live.now();
    main("[log]\nlevel = \"debug\"\nlevls = 1\n");

    assertThatThrownBy(live::reload).hasMessageContaining("log.levls");
    assertThat(live.now()).isEqualTo(before);
  }
}
