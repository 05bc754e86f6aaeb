#include "monitor/sink.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>

namespace lightv {

Sink::Sink(Fd fd) : fd_(std::move(fd)) {
  struct stat stat {};
  if (fstat(fd_.get(), &stat) != 0) return;
  if (S_ISSOCK(stat.st_mode)) {
    kind_ = Kind::socket;
    return;
  }
  // Not a regular file: a new description would begin at offset 0 and write over what is there.
  if (!S_ISFIFO(stat.st_mode) && !S_ISCHR(stat.st_mode)) return;
  const std::string path = "/proc/self/fd/" + std::to_string(fd_.get());
  Fd own(open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!own) return;  // a terminal whose session is over, a pipe without reader: the shared one will say so
  fd_ = std::move(own);
  kind_ = Kind::own;
}

long Sink::write(std::string_view data) {
  if (kind_ == Kind::shared) {
    // At most PIPE_BUF after POLLOUT: a pipe that is ready takes so much without blocking (pipe(7)).
    pollfd entry{fd_.get(), POLLOUT, 0};
    if (poll(&entry, 1, 0) <= 0) return 0;
    data = data.substr(0, PIPE_BUF);
  }
  while (true) {
    const ssize_t written = kind_ == Kind::socket
                                ? send(fd_.get(), data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                                : ::write(fd_.get(), data.data(), data.size());
    if (written >= 0) return written;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
    if (errno != EINTR) return -1;
  }
}

}  // namespace lightv
