// PID 1 of a sandbox: starts the workload, reaps, forwards signals, tells how the workload ended, and takes everything
// with it when the monitor is gone.
#pragma once

#include <sys/types.h>

namespace lightv {

/** What PID 1 sends over the status socket, once. */
struct InitExit {
  int exitCode = 0;  // 128 + signal when a signal ended it
  int signal = 0;
};

/** Called in the forked child; must not return. */
using WorkloadMain = void (*)(void* context);

/** What is left to do for PID 1 once its sandbox stands. */
struct InitTask {
  int statusSocket = -1;  // SEQPACKET; its other end closing is the order to end
  int launchSocket = -1;  // closed once the workload has its own copy
  WorkloadMain workload = nullptr;
  void* context = nullptr;
};

/**
 * The life of PID 1. When the workload has ended it tells how, and, when that has left nothing running, waits for the
 * other end of the status socket to close, a second at most: with its own end, and the workload's exit code, go the
 * namespaces and whatever is left in them. Returns, with an errno, only when it could not make the workload's process.
 * Allocates nothing: it runs in a forked copy of a larger process.
 */
int runInit(const InitTask& task);

}  // namespace lightv
