package io.stagelet.stage0.spi;

import java.util.Locale;

/**
 * The moments at which the server can be made to die ({@link Faults}), in the order in which a
 * pod's life comes to them: each is after a step that leaves something on the machine, and before
 * the next.
 */
public enum FaultPoint {
  // RunPodSandbox
  RUN_RECORDED,
  RUN_FILES_WRITTEN,
  RUN_DIRECTORY_MADE,
  RUN_NAMESPACES_MADE,
  RUN_SHARED_MEMORY_MOUNTED,
  RUN_UNIT_STARTED,
  RUN_PID_NAMESPACE_PINNED,
  RUN_NETWORK_PLUGIN_RAN,
  RUN_NETWORK_ATTACHED,
  RUN_READY,

  // CreateContainer
  CREATE_DIRECTORIES_MADE,
  CREATE_ROOT_MOUNTED,
  CREATE_VOLUME_MOUNTED,
  CREATE_PREPARED,
  CREATE_RECORDED,

  // StartContainer
  START_OUTPUT_OPEN,
  START_INPUT_OPEN,
  START_UNIT_RUNS,
  START_RECORDED,

  // StopContainer, and what follows the end of a container
  STOP_ASKED,
  STOP_KILLED,
  END_RECORDED,
  END_UNIT_GONE,
  END_OUTPUT_FINISHED,

  // RemoveContainer
  REMOVE_UNIT_GONE,
  REMOVE_OUTPUT_FORGOTTEN,
  REMOVE_ROOT_UNMOUNTED,
  REMOVE_VOLUMES_UNMOUNTED,
  REMOVE_DIRECTORY_DELETED,
  REMOVE_RECORD_DELETED,

  // StopPodSandbox
  STOP_POD_CONTAINERS_KILLED,
  STOP_POD_NETWORK_PLUGIN_RAN,
  STOP_POD_NETWORK_DETACHED,
  STOP_POD_UNIT_STOPPED,
  STOP_POD_NAMESPACES_RELEASED,
  STOP_POD_RECORDED,

  // RemovePodSandbox
  REMOVE_POD_CONTAINERS_REMOVED,
  REMOVE_POD_DIRECTORY_DELETED,
  REMOVE_POD_RECORD_DELETED;

  /** How it is named from outside: {@code run-recorded}. */
  public String label() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
