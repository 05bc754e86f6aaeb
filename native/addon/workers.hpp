// Threads of our own for what may block. Not libuv's four: a few stops that each wait ten seconds would hold up every
// file operation of Node.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

namespace lightv::addon {

using Job = std::function<void()>;

class Workers : public std::enable_shared_from_this<Workers> {
 public:
  /** From any thread; the job runs soon on another. Jobs are lost after close(). False: no thread can be made. */
  bool run(Job job);
  /** Forgets jobs that wait. Those under way end by themselves: they can take long, and nobody waits for them. */
  void close();

 private:
  static void* threadMain(void* self);
  void serve();
  bool addThread();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  unsigned threads_ = 0, idle_ = 0;
  bool closed_ = false;
};

}  // namespace lightv::addon
