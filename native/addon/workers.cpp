#include "addon/workers.hpp"

#include <pthread.h>

#include <chrono>

namespace lightv::addon {
namespace {

constexpr unsigned kMaxThreads = 16;
constexpr std::size_t kStackBytes = 512U << 10;
constexpr std::chrono::seconds kIdleFor{5};

}  // namespace

bool Workers::run(Job job) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (closed_) return true;
  jobs_.push_back(std::move(job));
  if (jobs_.size() > idle_ && threads_ < kMaxThreads && !addThread() && threads_ == 0) {
    jobs_.pop_back();
    return false;
  }
  wake_.notify_one();
  return true;
}

// Not std::thread, which ends the process when there is no memory for one. With the mutex held.
bool Workers::addThread() {
  auto self = std::make_unique<std::shared_ptr<Workers>>(shared_from_this());
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread{};
  const bool made = pthread_create(&thread, &attributes, threadMain, self.get()) == 0;
  pthread_attr_destroy(&attributes);
  if (!made) return false;
  (void)self.release();
  threads_++;
  return true;
}

// The thread owns a share: it may outlive the environment that made it.
void* Workers::threadMain(void* self) {
  const std::unique_ptr<std::shared_ptr<Workers>> workers(static_cast<std::shared_ptr<Workers>*>(self));
  pthread_setname_np(pthread_self(), "lightv-work");
  (*workers)->serve();
  return nullptr;
}

void Workers::serve() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    idle_++;
    const bool woken = wake_.wait_for(lock, kIdleFor, [this] { return closed_ || !jobs_.empty(); });
    idle_--;
    if (!woken || closed_) break;
    {
      const Job job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
    }
    lock.lock();
  }
  threads_--;
}

void Workers::close() {
  std::deque<Job> dropped;
  const std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  dropped.swap(jobs_);
  wake_.notify_all();
}

}  // namespace lightv::addon
