// Unix sockets that keep message borders (SOCK_SEQPACKET) and carry descriptors: the control socket of a monitor.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

/** Largest message; a longer one is refused by the sender and by the receiver. */
constexpr std::size_t kMaxMessageBytes = 64U << 10;
/** Most descriptors that a message carries. */
constexpr std::size_t kMaxMessageFds = 4;

/** A received message. Descriptors that nobody takes close with it. */
struct Message {
  std::string text;
  std::array<Fd, kMaxMessageFds> fds;
  std::size_t fdCount = 0;
  bool endOfFile = false;  // the other side has closed; `text` is empty
};

/**
 * Makes a listening socket at `path` (mode 0600, close-on-exec, non-blocking), replacing a dead one that lies there.
 * The path may be longer than the 108 bytes of sun_path: its directory is opened and named through /proc/self/fd.
 */
Result<Fd> listenSeqpacket(const std::string& path, int backlog = 64);

/** Connects. ENOENT and ECONNREFUSED: nobody listens there (any more). The socket is blocking and close-on-exec. */
Result<Fd> connectSeqpacket(const std::string& path);
/** The same without ever waiting: EAGAIN when more than its backlog are waiting already. */
Result<Fd> tryConnectSeqpacket(const std::string& path);

/** A connected pair, both ends close-on-exec. */
Status seqpacketPair(Fd& one, Fd& other);

/** Takes the next connection; an invalid Fd when none waits. The connection is non-blocking and close-on-exec. */
Result<Fd> acceptConnection(int listener);

/** Sends one message with up to kMaxMessageFds descriptors, which stay the caller's. EPIPE: the other side has gone;
 * never SIGPIPE. */
Status sendMessage(int socket, std::string_view text, const int* fds = nullptr, std::size_t fdCount = 0);

/** Receives one message. EAGAIN on a non-blocking socket that has none; EMSGSIZE when it, or its descriptors, were cut.
 */
Result<Message> receiveMessage(int socket);

/** Waits for a message for at most `timeoutMs` (< 0: for ever): ETIMEDOUT. */
Result<Message> receiveMessageWithin(int socket, int timeoutMs);

/** Who is at the other end, by the kernel's word at connect(2). */
struct Peer {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};
Result<Peer> peerOf(int socket);

}  // namespace lightv
