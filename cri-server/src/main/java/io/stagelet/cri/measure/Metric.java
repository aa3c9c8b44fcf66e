package io.stagelet.cri.measure;

import java.util.List;

/** Every metric there is. Names are for ever: dashboards and alert rules use them. */
public enum Metric {
  /** A 1 with the version. */
  BUILD_INFO("stagelet_build_info", Kind.GAUGE, "Which version this is; always 1.", "version"),
  /** Calls. */
  CALL_SECONDS(
      "stagelet_cri_call_duration_seconds",
      Kind.HISTOGRAM,
      "How long calls of the CRI took, by their gRPC status.",
      "method",
      "code"),
  /** Calls not answered yet. */
  CALLS_UNDER_WAY(
      "stagelet_cri_calls_under_way", Kind.GAUGE, "Calls that are worked on now.", "method"),
  /** The oldest of them. */
  CALL_OLDEST_SECONDS(
      "stagelet_cri_call_oldest_seconds",
      Kind.GAUGE,
      "For how long the oldest call that is worked on has been.",
      "method"),
  /** Stages. */
  STAGE_SECONDS(
      "stagelet_stage_duration_seconds",
      Kind.HISTOGRAM,
      "How long the stages of an operation took.",
      "operation",
      "stage",
      "outcome"),
  /** Stages not done yet. */
  STAGES_UNDER_WAY(
      "stagelet_stages_under_way",
      Kind.GAUGE,
      "Stages that are worked on now.",
      "operation",
      "stage"),
  /** The oldest of them. */
  STAGE_OLDEST_SECONDS(
      "stagelet_stage_oldest_seconds",
      Kind.GAUGE,
      "For how long the oldest stage that is worked on has been: one that stalls grows.",
      "operation",
      "stage"),
  /** Pods. */
  PODS("stagelet_pods", Kind.GAUGE, "Pods that are known.", "state"),
  /** Containers. */
  CONTAINERS("stagelet_containers", Kind.GAUGE, "Containers that are known.", "state"),
  /** Parts. */
  PART_HEALTHY(
      "stagelet_part_healthy",
      Kind.GAUGE,
      "1 for a part that works, 0 for one that is broken; stagelet status says why.",
      "part"),
  /** The store. */
  STORE_BYTES("stagelet_store_bytes", Kind.GAUGE, "What images take on the disk."),
  /** Its inodes. */
  STORE_INODES("stagelet_store_inodes", Kind.GAUGE, "Inodes that images take on the disk."),
  /** Its disk. */
  DISK_BYTES(
      "stagelet_disk_bytes", Kind.GAUGE, "The filesystem of images and writable layers.", "which"),
  /** Its disk's inodes. */
  DISK_INODES(
      "stagelet_disk_inodes",
      Kind.GAUGE,
      "Inodes of the filesystem of images and writable layers.",
      "which"),
  /** Pulls. */
  PULLS_UNDER_WAY(
      "stagelet_image_pulls_under_way",
      Kind.GAUGE,
      "Images that come now, each once however many wait for it."),
  /** Pulls. */
  PULLED(
      "stagelet_image_pulls_done_total",
      Kind.COUNTER,
      "Images that came, or were found to be here already."),
  /** Pulls. */
  PULLS_FAILED(
      "stagelet_image_pulls_failed_total",
      Kind.COUNTER,
      "Pulls that failed; CANCELLED are those that nobody waited for any more.",
      "code"),
  /** Pulls. */
  PULL_BYTES(
      "stagelet_image_pull_received_bytes_total", Kind.COUNTER, "Bytes of layers, as they come."),
  /** Pulls. */
  PULL_LAYERS("stagelet_image_pull_layers_total", Kind.COUNTER, "Layers that were unpacked."),
  /** Pulls. */
  PULL_RANGED(
      "stagelet_image_pull_ranged_layers_total",
      Kind.COUNTER,
      "Layers that came over several connections."),
  /** Pulls. */
  PULL_BREAKS(
      "stagelet_image_pull_breaks_total",
      Kind.COUNTER,
      "How often a transfer was taken up anew: the registry fell silent (stalled), or the connection broke (broken).",
      "how"),
  /** Relay. */
  RELAY_READ_BYTES("stagelet_relay_read_bytes_total", Kind.COUNTER, "Bytes read of containers."),
  /** Relay. */
  RELAY_LOG_BYTES(
      "stagelet_relay_log_bytes_total", Kind.COUNTER, "Bytes written to kubelet's log files."),
  /** Relay. */
  RELAY_LINES("stagelet_relay_lines_total", Kind.COUNTER, "Lines that went to the journal."),
  /** Relay. */
  RELAY_ENTRIES(
      "stagelet_relay_entries_total", Kind.COUNTER, "Journal entries that these were sent in."),
  /** Relay. */
  RELAY_DROPPED_BYTES(
      "stagelet_relay_dropped_bytes_total",
      Kind.COUNTER,
      "Bytes that a receiver did not get, as the handler's policy says."),
  /** Relay. */
  RELAY_STALLS(
      "stagelet_relay_stalls_total",
      Kind.COUNTER,
      "How often a stream had to wait for the journal or the disk."),
  /** Relay. */
  RELAY_WAITING_STREAMS(
      "stagelet_relay_waiting_streams",
      Kind.GAUGE,
      "Streams whose containers wait for the journal or the disk now."),
  /** Systemd. */
  SYSTEMD_ANSWER_SECONDS(
      "stagelet_systemd_answer_seconds",
      Kind.GAUGE,
      "How long systemd took to answer a question over D-Bus, asked for this metric."),
  /** D-Bus. */
  DBUS_CALLS("stagelet_dbus_calls_total", Kind.COUNTER, "Calls to systemd over D-Bus."),
  /** Leaks. */
  LEFTOVERS(
      "stagelet_leftovers_removed_total",
      Kind.COUNTER,
      "What belonged to nobody and was removed: directories, mounts, units."),
  /** Leaks. */
  REPAIRS_FAILED(
      "stagelet_repairs_failed_total", Kind.COUNTER, "What could not be brought in order."),
  /** Traces. */
  TRACE_SPANS(
      "stagelet_trace_spans_total",
      Kind.COUNTER,
      "Spans that the collector took, and those that were given up; only where one is configured.",
      "outcome"),
  /** The process. */
  RESIDENT_BYTES(
      "process_resident_memory_bytes", Kind.GAUGE, "Memory of the server that is in RAM."),
  /** The process. */
  OPEN_FILES("process_open_fds", Kind.GAUGE, "Open descriptors of the server."),
  /** The process. */
  START_SECONDS(
      "process_start_time_seconds", Kind.GAUGE, "When the server was started, in Unix time.");

  /** What a metric does. */
  enum Kind {
    COUNTER("counter"),
    GAUGE("gauge"),
    HISTOGRAM("histogram");

    private final String word;

    Kind(String word) {
      this.word = word;
    }
  }

  private final String name;
  private final Kind kind;
  private final String help;

  @SuppressWarnings("ImmutableEnumChecker") // List.of
  private final List<String> labels;

  Metric(String name, Kind kind, String help, String... labels) {
    this.name = name;
    this.kind = kind;
    this.help = help;
    this.labels = List.of(labels);
  }

  /** Its name. */
  public String metricName() {
    return name;
  }

  /** What it says, in words. */
  public String help() {
    return help;
  }

  /** counter, gauge or histogram. */
  public String kind() {
    return kind.word;
  }

  /** The names of its labels. */
  public List<String> labels() {
    return labels;
  }
}
