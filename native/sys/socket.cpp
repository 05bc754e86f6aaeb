#include "sys/socket.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

#include "sys/time.hpp"

namespace lightv {
namespace {

/** An address for `path`, and the directory that must stay open as long as the address is used. */
struct Address {
  sockaddr_un name{};
  socklen_t length = 0;
  Fd directory;
};

Result<Address> addressOf(const std::string& path) {
  Address plain;
  if (path.size() < sizeof plain.name.sun_path) {
    plain.name.sun_family = AF_UNIX;
    path.copy(plain.name.sun_path, path.size());
    plain.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
    return plain;
  }
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  const std::string base = slash == std::string::npos ? path : path.substr(slash + 1);
  Address address;
  address.directory.reset(open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!address.directory) return Error{"open", errno, directory};
  const std::string name = "/proc/self/fd/" + std::to_string(address.directory.get()) + "/" + base;
  if (name.size() >= sizeof address.name.sun_path) return Error{"socket address", ENAMETOOLONG, path};
  address.name.sun_family = AF_UNIX;
  name.copy(address.name.sun_path, sizeof address.name.sun_path - 1);
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + 1);
  return address;
}

Result<Fd> seqpacketSocket(int flags) {
  Fd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0));
  if (!fd) return Error{"socket", errno, "unix"};
  return fd;
}

const sockaddr* plain(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address.name);
}

/** Room for the descriptors of one message, aligned as cmsg(3) wants it. */
union Control {
  char bytes[CMSG_SPACE(kMaxMessageFds * sizeof(int))];
  cmsghdr align;
};

/** Moves every descriptor of a received message into `message`, so that none leaks whatever else is wrong with it. */
void takeDescriptors(msghdr& header, Message& message) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; i++) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
      if (message.fdCount < kMaxMessageFds) {
        message.fds[message.fdCount++].reset(fd);
      } else {
        close(fd);
      }
    }
  }
}

}  // namespace

Result<Fd> listenSeqpacket(const std::string& path, int backlog) {
  auto address = addressOf(path);
  if (!address) return address.error().wrap("listen");
  auto made = seqpacketSocket(SOCK_NONBLOCK);
  if (!made) return made;
  // The mode is set on the socket before bind(2), so that no moment has a wider one.
  if (fchmod(made->get(), 0600) != 0) return Error{"chmod", errno, path};
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return Error{"unlink", errno, path};
  if (bind(made->get(), plain(*address), address->length) != 0) return Error{"bind", errno, path};
  if (chmod(path.c_str(), 0600) != 0) return Error{"chmod", errno, path};
  if (listen(made->get(), backlog) != 0) return Error{"listen", errno, path};
  return made;
}

Result<Fd> connectSeqpacket(const std::string& path) {
  auto address = addressOf(path);
  if (!address) return address.error().wrap("connect");
  auto made = seqpacketSocket(0);
  if (!made) return made;
  while (connect(made->get(), plain(*address), address->length) != 0) {
    if (errno != EINTR) return Error{"connect", errno, path};
  }
  return made;
}

Result<Fd> tryConnectSeqpacket(const std::string& path) {
  auto address = addressOf(path);
  if (!address) return address.error().wrap("connect");
  auto made = seqpacketSocket(SOCK_NONBLOCK);
  if (!made) return made;
  while (connect(made->get(), plain(*address), address->length) != 0) {
    if (errno != EINTR) return Error{"connect", errno, path};
  }
  if (fcntl(made->get(), F_SETFL, 0) != 0) return Error{"fcntl", errno, path};
  return made;
}

Status seqpacketPair(Fd& one, Fd& other) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return Error{"socketpair", errno, "unix"};
  one.reset(ends[0]);
  other.reset(ends[1]);
  return {};
}

Result<Fd> acceptConnection(int listener) {
  while (true) {
    const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) return Fd(fd);
    // accept(2): errors of the connection itself are to be treated like EAGAIN.
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN) return Fd();
    return Error{"accept", errno, "control socket"};
  }
}

Status sendMessage(int socket, std::string_view text, const int* fds, std::size_t fdCount) {
  if (text.size() > kMaxMessageBytes || fdCount > kMaxMessageFds) return Error{"send", EMSGSIZE, "control socket"};
  iovec part{const_cast<char*>(text.data()), text.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  Control control{};
  if (fdCount > 0) {
    header.msg_control = control.bytes;
    header.msg_controllen = CMSG_SPACE(fdCount * sizeof(int));
    cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fdCount * sizeof(int));
    std::memcpy(CMSG_DATA(rights), fds, fdCount * sizeof(int));
  }
  while (sendmsg(socket, &header, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return Error{"send", errno, "control socket"};
  }
  return {};
}

Result<Message> receiveMessage(int socket) {
  Message message;
  msghdr header{};
  Control control{};
  // Asks for the length first (MSG_TRUNC gives the real one): most messages are a hundred bytes, and a monitor keeps no
  // 64 KiB for them.
  ssize_t length = 0;
  do {
    length = recv(socket, nullptr, 0, MSG_PEEK | MSG_TRUNC);
  } while (length < 0 && errno == EINTR);
  if (length < 0) return Error{"receive", errno, "control socket"};
  const bool tooLong = static_cast<std::size_t>(length) > kMaxMessageBytes;
  message.text.resize(tooLong ? 1 : static_cast<std::size_t>(length) + 1);
  iovec part{message.text.data(), message.text.size()};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes;
  header.msg_controllen = sizeof control.bytes;
  do {
    length = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  } while (length < 0 && errno == EINTR);
  if (length < 0) return Error{"receive", errno, "control socket"};
  takeDescriptors(header, message);
  if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return Error{"receive", EMSGSIZE, "control socket"};
  message.text.resize(static_cast<std::size_t>(length));
  message.endOfFile = length == 0 && message.fdCount == 0;
  return message;
}

Result<Message> receiveMessageWithin(int socket, int timeoutMs) {
  const std::uint64_t start = monotonicUs();
  while (true) {
    int left = -1;
    if (timeoutMs >= 0) {
      const std::uint64_t gone = (monotonicUs() - start) / 1000;
      left = gone >= static_cast<std::uint64_t>(timeoutMs) ? 0 : timeoutMs - static_cast<int>(gone);
    }
    pollfd entry{socket, POLLIN, 0};
    const int ready = poll(&entry, 1, left);
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return Error{"poll", errno, "control socket"};
    if (ready == 0) return Error{"receive", ETIMEDOUT, "control socket"};
    return receiveMessage(socket);
  }
}

Result<Peer> peerOf(int socket) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    return Error{"getsockopt", errno, "SO_PEERCRED"};
  }
  return Peer{credentials.pid, credentials.uid, credentials.gid};
}

}  // namespace lightv
