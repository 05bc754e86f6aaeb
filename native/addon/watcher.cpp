#include "addon/watcher.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>
#include <csignal>

namespace lightv::addon {
namespace {

constexpr std::uint64_t kWakeToken = 0;  // tokens of the callers begin at 1
constexpr std::size_t kStackBytes = 256U << 10;

}  // namespace

// With the mutex held.
Status Watcher::start() {
  if (stopped_) return Error{"watch sandbox", ECANCELED, "the environment is closing"};
  if (running_) return {};
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  wake_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  epoll_event event{.events = EPOLLIN, .data = {.u64 = kWakeToken}};
  if (!epoll_ || !wake_ || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) < 0) {
    return Error{"epoll", errno, "watch sandbox"};
  }
  // Signals are for Node's own threads.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int failed = pthread_create(&thread_, &attributes, threadMain, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (failed != 0) return Error{"start thread", failed, "watch sandbox"};
  running_ = true;
  return {};
}

Status Watcher::add(std::uint64_t token, Fd fd) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (Status started = start(); !started) return started;
  epoll_event event{.events = EPOLLIN | EPOLLRDHUP, .data = {.u64 = token}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) < 0) return Error{"epoll", errno, "watch sandbox"};
  fds_[token] = std::move(fd);
  return {};
}

void Watcher::remove(std::uint64_t token) {
  const std::lock_guard<std::mutex> lock(mutex_);
  fds_.erase(token);  // the last descriptor of its socket: closing takes it out of the epoll set
}

void Watcher::stop() {
  bool running = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopped_ = true;
    running = running_;
    running_ = false;
  }
  if (running) {
    (void)::eventfd_write(wake_.get(), 1);
    pthread_join(thread_, nullptr);
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  fds_.clear();
}

void* Watcher::threadMain(void* self) {
  pthread_setname_np(pthread_self(), "lightv-watch");
  static_cast<Watcher*>(self)->serve();
  return nullptr;
}

void Watcher::serve() {
  std::array<epoll_event, 16> events{};
  for (;;) {
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    if (count < 0 && errno != EINTR) return;
    for (int i = 0; i < count; i++) {
      const std::uint64_t token = events[static_cast<std::size_t>(i)].data.u64;
      if (token == kWakeToken) return;
      Fd fd;
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        const auto found = fds_.find(token);
        if (found == fds_.end()) continue;  // removed meanwhile
        fd = std::move(found->second);
        fds_.erase(found);
        (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd.get(), nullptr);
      }
      onReady_(token, std::move(fd));
    }
  }
}

}  // namespace lightv::addon
