package io.stagelet.journal;

import io.stagelet.linux.UnixDatagrams;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A relay as a service of systemd, to be killed: carries some containers, with their FIFOs in the
 * descriptor store. {@code RelayProcess DIRECTORY CONTAINERS PREFIX}; containers are {@code
 * PREFIX0}, …; with a file {@code DIRECTORY/finish} it finishes all and writes {@code
 * DIRECTORY/finished}.
 */
final class RelayProcess {
  private static final int FIRST_INHERITED = 3;

  private RelayProcess() {}

  /** systemd's descriptor store, by sd_notify's protocol. */
  private record Store(String address) implements DescriptorKeeper {
    @Override
    public void keep(String name, int fd) {
      say("FDSTORE=1\nFDPOLL=0\nFDNAME=" + name, fd);
    }

    @Override
    public void forget(String name) {
      say("FDSTOREREMOVE=1\nFDNAME=" + name);
    }

    void say(String state, int... descriptors) {
      try (UnixDatagrams socket = UnixDatagrams.unbound()) {
        socket.send(address, state.getBytes(StandardCharsets.UTF_8), descriptors);
      }
    }
  }

  public static void main(String[] arguments) throws IOException, InterruptedException {
    Path directory = Path.of(arguments[0]);
    Store store = new Store(System.getenv("NOTIFY_SOCKET"));
    List<ContainerOutput> outputs =
        outputs(directory, Integer.parseInt(arguments[1]), arguments[2]);
    try (Journal journal = Journal.open(Journal.SOCKET);
        Relay relay =
            new Relay(
                journal,
                store,
                Path.of("/run", arguments[2]),
                Clock.systemUTC(),
                Optional.empty())) {
      Path opened = directory.resolve("opened");
      Map<String, Integer> inherited = inherited();
      for (ContainerOutput output : outputs) {
        if (Files.exists(opened)) {
          relay.adopt(output, inherited);
        } else {
          relay.open(output);
        }
      }
      Files.writeString(opened, "");
      store.say("READY=1");
      while (!Files.exists(directory.resolve("finish"))) {
        Thread.sleep(5);
      }
      boolean complete = true;
      for (ContainerOutput output : outputs) {
        complete &= relay.finish(output.id(), Duration.ofSeconds(60));
      }
      Files.writeString(
          directory.resolve("finished"), "%s %s%n".formatted(complete, relay.counters()));
      while (true) {
        // the test stops the unit
        Thread.sleep(1000);
      }
    }
  }

  static List<ContainerOutput> outputs(Path directory, int count, String prefix) {
    List<ContainerOutput> outputs = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      String id = prefix + i;
      outputs.add(
          new ContainerOutput(
              id,
              directory.resolve("fifos/" + id + ".out"),
              directory.resolve("fifos/" + id + ".err"),
              Optional.of(directory.resolve("logs/" + id + "/0.log")),
              Map.of("OBJECT_SYSTEMD_UNIT", "ctr-" + id + ".service", "CONTAINER_NAME", id)));
    }
    return outputs;
  }

  private static Map<String, Integer> inherited() {
    Map<String, Integer> byName = new HashMap<>();
    String names = System.getenv("LISTEN_FDNAMES");
    if (names != null) {
      int fd = FIRST_INHERITED;
      for (String name : names.split(":", -1)) {
        byName.put(name, fd++);
      }
    }
    return byName;
  }
}
