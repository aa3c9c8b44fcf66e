package io.stagelet.stage0.command;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.stagelet.linux.ErrorCode;
import io.stagelet.linux.StageletException;
import io.stagelet.stage0.Credentials;
import io.stagelet.stage0.Image;
import io.stagelet.stage0.ImageConfig;
import io.stagelet.stage0.ImageFsUsage;
import io.stagelet.stage0.ImageService;
import io.stagelet.stage0.PullListener;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine;

/** The commands on the store. */
final class ImageCommands {
  private ImageCommands() {}

  /** What each of them has. */
  @CommandLine.Command(mixinStandardHelpOptions = true)
  abstract static class OnStore implements Callable<Integer> {
    @CommandLine.Mixin private StoreOptions options = new StoreOptions();

    @CommandLine.Spec private CommandLine.Model.@org.jspecify.annotations.Nullable CommandSpec spec;

    @Override
    public Integer call() {
      try (ImageService images = options.open()) {
        return run(images);
      }
    }

    /** Does it; the exit code. */
    abstract int run(ImageService images);

    boolean json() {
      return options.json();
    }

    PrintWriter output() {
      return java.util.Objects.requireNonNull(spec).commandLine().getOut();
    }

    PrintWriter errors() {
      return java.util.Objects.requireNonNull(spec).commandLine().getErr();
    }

    void print(JsonNode node) {
      try {
        output()
            .println(
                JsonMapper.builder()
                    .build()
                    .writerWithDefaultPrettyPrinter()
                    .writeValueAsString(node));
      } catch (JsonProcessingException impossible) {
        throw new IllegalStateException("a tree of JSON nodes can be written", impossible);
      }
    }
  }

  static ObjectNode json(Image image) {
    ObjectNode node = JsonNodeFactory.instance.objectNode();
    node.put("id", image.id().toString());
    add(node.putArray("tags"), image.tags());
    add(node.putArray("digests"), image.digests());
    node.put("size", image.size()).put("pinned", image.pinned());
    node.put("artifact", image.artifact());
    return node;
  }

  private static String absolute(Path target) {
    return target.toAbsolutePath().normalize().toString();
  }

  private static ArrayNode add(ArrayNode array, Iterable<?> texts) {
    texts.forEach(text -> array.add(text.toString()));
    return array;
  }

  private static ArrayNode json(List<Image> images) {
    ArrayNode all = JsonNodeFactory.instance.arrayNode();
    images.forEach(image -> all.add(json(image)));
    return all;
  }

  /** Gets an image. */
  @CommandLine.Command(name = "pull", description = "Get an image from its registry.")
  static final class Pull extends OnStore {
    @CommandLine.Parameters(
        paramLabel = "IMAGE",
        description = "Its name, as kubelet would have it.")
    private String image = "";

    @CommandLine.Option(
        names = {"-q", "--quiet"},
        description = "Show no progress, only the id.")
    private boolean quiet;

    @CommandLine.Option(
        names = "--creds",
        paramLabel = "USER:PASSWORD",
        description = "Who you are there; without, auth.json and its like are looked at.")
    private String credentials = "";

    @Override
    int run(ImageService images) {
      Image pulled = pull(images);
      if (json()) {
        print(ImageCommands.json(pulled));
      } else {
        output().println(pulled.id());
      }
      return 0;
    }

    private Image pull(ImageService images) {
      if (quiet) {
        return images.pull(image, credentials(credentials), PullListener.NONE);
      }
      try (PullProgress progress = new PullProgress(errors(), onTerminal(), System::nanoTime)) {
        return images.pull(image, credentials(credentials), progress);
      }
    }

    /** Whether the error output, where progress is shown, is a terminal. */
    private static boolean onTerminal() {
      try {
        String device = Files.readSymbolicLink(Path.of("/proc/self/fd/2")).toString();
        return device.startsWith("/dev/pts/") || device.startsWith("/dev/tty");
      } catch (IOException closed) {
        return false;
      }
    }

    private static Credentials credentials(String text) {
      if (text.isEmpty()) {
        return Credentials.none();
      }
      int colon = text.indexOf(':');
      if (colon < 0) {
        throw new StageletException(
            ErrorCode.INVALID_ARGUMENT, "--creds wants a user and a password with a colon between");
      }
      return new Credentials.Basic(text.substring(0, colon), text.substring(colon + 1));
    }
  }

  /** Lists images. */
  @CommandLine.Command(
      name = "list",
      aliases = "ls",
      description = "List the images, and what they all take.")
  static final class ListImages extends OnStore {
    @Override
    int run(ImageService images) {
      List<Image> all = images.list();
      if (json()) {
        print(ImageCommands.json(all));
        return 0;
      }
      output().printf("%-14s %10s  %s%n", "ID", "SIZE", "NAMES");
      for (Image image : all) {
        List<String> names = image.tags().isEmpty() ? image.digests() : image.tags();
        output()
            .printf(
                "%-14s %10s  %s%s%n",
                image.id().config().hex().substring(0, 12),
                PullProgress.size(image.size()),
                String.join(" ", names),
                image.pinned() ? " (pinned)" : "");
      }
      ImageFsUsage usage = images.usage();
      output()
          .printf(
              "%d images, %s and %d inodes in %s%n",
              all.size(), PullProgress.size(usage.bytes()), usage.inodes(), usage.directory());
      return 0;
    }
  }

  /** Shows one image. */
  @CommandLine.Command(name = "show", description = "Tell all that is known of an image, as JSON.")
  static final class Show extends OnStore {
    @CommandLine.Parameters(paramLabel = "IMAGE", description = "A name or an id.")
    private String name = "";

    @Override
    int run(ImageService images) {
      Image image = StoreOptions.find(images, name);
      ObjectNode node = ImageCommands.json(image);
      node.put("used", images.isUsed(image));
      add(node.putArray("layers"), image.diffIds());
      ImageConfig config = image.config();
      ObjectNode run = node.putObject("config");
      run.put("user", config.user()).put("workingDirectory", config.workingDirectory());
      add(run.putArray("entrypoint"), config.entrypoint());
      add(run.putArray("command"), config.command());
      add(run.putArray("environment"), config.environment());
      add(run.putArray("volumes"), config.volumes());
      add(run.putArray("exposedPorts"), config.exposedPorts());
      run.put("stopSignal", config.stopSignal());
      run.put("platform", config.os() + "/" + config.architecture());
      config.created().ifPresent(created -> run.put("created", created.toString()));
      config.labels().forEach(run.putObject("labels")::put);
      print(node);
      return 0;
    }
  }

  /** Removes images. */
  @CommandLine.Command(
      name = "rm",
      description = "Remove images, with all their names. One that a container is made of stays.")
  static final class Remove extends OnStore {
    @CommandLine.Parameters(arity = "1..*", paramLabel = "IMAGE", description = "Names or ids.")
    private List<String> names = List.of();

    @CommandLine.Option(
        names = {"-f", "--force"},
        description =
            "Also those that containers are made of: the name goes now, the layers with the last container.")
    private boolean force;

    @Override
    int run(ImageService images) {
      List<Image> all = new ArrayList<>();
      for (String name : names) {
        Image image = StoreOptions.find(images, name);
        if (!force && images.isUsed(image)) {
          throw new StageletException(
              ErrorCode.FAILED_PRECONDITION,
              "%s is the root filesystem of a container and stays; --force takes its name away"
                  .formatted(name));
        }
        if (images.remove(image.id().toString())) {
          all.add(image);
          if (!json()) {
            output().println(image.id());
          }
        }
      }
      if (json()) {
        print(ImageCommands.json(all));
      }
      return 0;
    }
  }

  /** Removes what is not used. */
  @CommandLine.Command(
      name = "prune",
      description = "Remove images without a tag that no container is made of.")
  static final class Prune extends OnStore {
    @CommandLine.Option(
        names = {"-a", "--all"},
        description = "Also those with tags.")
    private boolean all;

    @Override
    int run(ImageService images) {
      long before = images.usage().bytes();
      List<Image> removed = images.prune(all);
      if (json()) {
        print(ImageCommands.json(removed));
      } else {
        removed.forEach(image -> output().println(image.id()));
        output().println(PullProgress.size(before - images.usage().bytes()) + " are free again");
      }
      return 0;
    }
  }

  /** Looks for damage. */
  @CommandLine.Command(
      name = "check",
      description =
          "Look for damage in the store. With --repair, what is damaged is removed, and pulled anew when it is needed; running containers are not touched.")
  static final class Check extends OnStore {
    @CommandLine.Option(
        names = "--quick",
        description = "Look at names and sizes alone; files are not read.")
    private boolean quick;

    @CommandLine.Option(names = "--repair", description = "Remove what is damaged.")
    private boolean repair;

    @Override
    int run(ImageService images) {
      List<String> found = images.check(!quick, repair);
      if (json()) {
        print(add(JsonNodeFactory.instance.arrayNode(), found));
      } else {
        found.forEach(output()::println);
        output().println(found.isEmpty() ? "no damage" : repair ? "repaired" : "damaged");
      }
      return found.isEmpty() || repair ? 0 : 1;
    }
  }

  /** Mounts an image. */
  @CommandLine.Command(
      name = "mount",
      description = "Mount an image to look into it, read-only; it stays until it is unmounted.")
  static final class Mount extends OnStore {
    @CommandLine.Parameters(index = "0", paramLabel = "IMAGE", description = "A name or an id.")
    private String name = "";

    @CommandLine.Parameters(index = "1", paramLabel = "TARGET", description = "Where.")
    private Path target = Path.of("");

    @CommandLine.Option(
        names = "--sub-path",
        paramLabel = "PATH",
        description = "Mount this directory or file of it alone.")
    private String subPath = "";

    @Override
    int run(ImageService images) {
      Image image = StoreOptions.find(images, name);
      images.rootFilesystems().mountReadOnly(image, target, subPath, Optional.empty());
      if (json()) {
        print(ImageCommands.json(image).put("target", absolute(target)));
      }
      return 0;
    }
  }

  /** Unmounts one. */
  @CommandLine.Command(name = "unmount", description = "Undo stage0 mount.")
  static final class Unmount extends OnStore {
    @CommandLine.Parameters(paramLabel = "TARGET", description = "Where.")
    private Path target = Path.of("");

    @Override
    int run(ImageService images) {
      Path absolute = target.toAbsolutePath().normalize();
      if (!images.rootFilesystems().targets().contains(absolute)) {
        throw new StageletException(
            ErrorCode.NOT_FOUND, "no image of this store is mounted at " + absolute);
      }
      images.rootFilesystems().unmount(absolute);
      if (json()) {
        print(JsonNodeFactory.instance.objectNode().put("target", absolute.toString()));
      }
      return 0;
    }
  }

  /** Brings images from files. */
  @CommandLine.Command(
      name = "import",
      description =
          "Bring the images of an OCI layout (directory or tar) or a Docker archive (docker save, podman save).")
  static final class Import extends OnStore {
    @CommandLine.Parameters(paramLabel = "FILE", description = "The directory or tar archive.")
    private Path file = Path.of("");

    @CommandLine.Option(
        names = "--name",
        paramLabel = "IMAGE",
        description = "What the image is called; needed where the file does not say.")
    private String name = "";

    @Override
    int run(ImageService images) {
      List<Image> imported =
          images.importFrom(file, name.isEmpty() ? Optional.empty() : Optional.of(name));
      if (json()) {
        print(ImageCommands.json(imported));
      } else {
        imported.forEach(
            image -> output().printf("%s %s%n", image.id(), String.join(" ", image.tags())));
      }
      return 0;
    }
  }

  /** Writes an image to a file. */
  @CommandLine.Command(
      name = "export",
      description =
          "Write an image to a tar archive, or into an empty directory, as an OCI layout. Its layers are packed anew: the files are the same, the id is another.")
  static final class Export extends OnStore {
    @CommandLine.Parameters(index = "0", paramLabel = "IMAGE", description = "A name or an id.")
    private String name = "";

    @CommandLine.Parameters(index = "1", paramLabel = "FILE", description = "Where to.")
    private Path target = Path.of("");

    @CommandLine.Option(names = "--docker", description = "In the form that docker load wants.")
    private boolean docker;

    @Override
    int run(ImageService images) {
      Image image = StoreOptions.find(images, name);
      images.exportTo(image, target, docker);
      if (json()) {
        print(ImageCommands.json(image).put("target", absolute(target)));
      }
      return 0;
    }
  }
}
