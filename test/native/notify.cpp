// sd_notify(3) over real sockets.
#include "sys/notify.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>

#include "lv_builder.hpp"

using namespace lightv;

namespace {

/** A service manager's socket; "@name" is an abstract one. */
Fd listenAt(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name.data(), name.size());
  if (name[0] == '@') address.sun_path[0] = '\0';
  Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  return fd;
}

std::string receive(int fd) {
  char buffer[256];
  const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
  return got < 0 ? "nothing" : std::string(buffer, static_cast<std::size_t>(got));
}

/** NOTIFY_SOCKET for a while. */
struct NotifySocket {
  explicit NotifySocket(const std::string& name) { ::setenv("NOTIFY_SOCKET", name.c_str(), 1); }
  ~NotifySocket() { ::unsetenv("NOTIFY_SOCKET"); }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;
};

}  // namespace

TEST_CASE("notify: the state arrives at a path and at an abstract name") {
  const lvtest::TempDir temp;
  for (const std::string& name : {temp.at("notify"), "@lightv-test-" + std::to_string(::getpid())}) {
    const Fd manager = listenAt(name);
    const NotifySocket set(name);
    CHECK(notifyService("READY=1\nSTATUS=fine"));
    CHECK(receive(manager.get()) == "READY=1\nSTATUS=fine");
  }
}

TEST_CASE("notify: nobody to tell is no failure, and a manager that does not read blocks nobody") {
  const lvtest::TempDir temp;
  ::unsetenv("NOTIFY_SOCKET");
  CHECK_FALSE(notifyService("READY=1"));
  for (const std::string& name : {temp.at("gone"), std::string("relative"), std::string("@"), std::string(200, '/')}) {
    const NotifySocket set(name);
    CHECK_FALSE(notifyService("READY=1"));
  }
  const Fd manager = listenAt(temp.at("full"));
  const NotifySocket set(temp.at("full"));
  bool taken = true;
  for (int i = 0; i < 100'000 && taken; i++) taken = notifyService("WATCHDOG=1");
  CHECK_FALSE(taken);
}
