// One thread that waits on any number of descriptors at once, however many sandboxes are watched.
#pragma once

#include <pthread.h>

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>

#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv::addon {

class Watcher {
 public:
  /** Called on the watcher's thread, once, with the descriptor that became readable. Must not block. */
  using OnReady = std::function<void(std::uint64_t token, Fd fd)>;

  explicit Watcher(OnReady onReady) : onReady_(std::move(onReady)) {}
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;
  ~Watcher() { stop(); }

  /** From any thread. The first one starts the thread. */
  Status add(std::uint64_t token, Fd fd);
  /** Closes the descriptor; nothing when it is not there (any more). */
  void remove(std::uint64_t token);
  /** Ends the thread and waits for it; all descriptors close. add() fails from now on. */
  void stop();

 private:
  static void* threadMain(void* self);
  void serve();
  Status start();

  OnReady onReady_;
  std::mutex mutex_;
  std::map<std::uint64_t, Fd> fds_;
  Fd epoll_, wake_;
  pthread_t thread_{};
  bool running_ = false, stopped_ = false;
};

}  // namespace lightv::addon
