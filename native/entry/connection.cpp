#include "entry/connection.hpp"

#include <errno.h>
#include <limits.h>

#include "entry/system.hpp"

namespace lightv::entry {
namespace {

/** Most runs are over by then: until then whoever waits is woken by the end alone, not by each word before it. */
constexpr int kShortRunMs = 50;
/** A word that does not come within this is waited for by the whole program, which knows what to say. */
constexpr int kTakenMs = 500, kStartedMs = 2000;
constexpr std::size_t kMessageBytes = 1024, kDigestBytes = 128;

/** What is there, without taking it; 0: nothing, or the end; all of the room: more than it has. */
std::size_t look(long socket, char (&into)[kMessageBytes]) {
  const long got = sys::call(SYS_recvfrom, socket, sys::address(into), kMessageBytes, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 ? 0 : static_cast<std::size_t>(got);
}

void takeOne(long socket) {
  char byte;
  (void)sys::call(SYS_recvfrom, socket, sys::address(&byte), sizeof byte, MSG_DONTWAIT);
}

void keepId(Handover& talk, Text id) {
  std::size_t at = 0;
  for (const char c : id) talk.id[at++] = c;
  talk.id[at] = '\0';
}

/** The hex of the image's digest, in `room` or in the command line. */
Text findDigest(const Command& command, char (&room)[kDigestBytes]) {
  if (startsWith(command.image, word("sha256:"))) return digestHex(command.image);
  char path[PATH_MAX];
  Buffer text(path);
  writeReferencePath(command, text);
  if (!text.isWhole()) return {};
  const long file = sys::open(path, O_RDONLY);
  if (file < 0) return {};
  const long got = sys::read(file, room, sizeof room);
  sys::close(file);
  return got > 0 ? digestHex({room, static_cast<std::size_t>(got)}) : Text();
}

/** "<directory><hex>.sock" and a zero, if an address has room for it. */
bool writeAddress(sockaddr_un& address, Text runRoot, Text directory, Text digest) {
  Buffer path(address.sun_path);
  path.put(runRoot).put(directory).put(digest).put(word(".sock")).put('\0');
  address.sun_family = AF_UNIX;
  return path.isWhole();
}

/** By a descriptor of the directory, as sys/socket.cpp does with long paths. */
bool writeLongAddress(sockaddr_un& address, Text runRoot, Text digest, long& directory) {
  char path[PATH_MAX];
  Buffer text(path);
  text.put(runRoot).put(word("/pool")).put('\0');
  if (!text.isWhole()) return false;
  constexpr int ten = 10;
  directory = sys::open(path, O_PATH | O_DIRECTORY);
  if (directory < 0 || directory >= ten * ten) return false;
  char digits[3];
  Buffer number(digits);
  if (directory >= ten) number.put(static_cast<char>('0' + directory / ten));
  number.put(static_cast<char>('0' + directory % ten)).put('/');
  return writeAddress(address, word("/proc/self/fd/"), number.text(), digest);
}

/** One step: true when there was a word to take. `code` is set by the last. */
bool step(long socket, Handover& talk, int& code, bool& unusual) {
  char room[kMessageBytes];
  const Text message{room, look(socket, room)};
  if (message.empty()) return false;
  // Warnings without end: the whole program has room for them.
  unusual = message.size == kMessageBytes;
  if (unusual) return false;
  Text id;
  if (talk.begun == Begun::sent && readTaken(message, id)) {
    keepId(talk, id);
    talk.begun = Begun::taken;
  } else if (talk.begun == Begun::taken && readStarted(message, talk.pid)) {
    talk.begun = Begun::started;
  } else {
    unusual = talk.begun != Begun::started || !readEnded(message, code);
    return false;
  }
  takeOne(socket);
  return true;
}

}  // namespace

long connectToPool(const Command& command) {
  char room[kDigestBytes];
  const Text digest = findDigest(command, room);
  if (digest.empty()) return -1;
  sockaddr_un address;
  long directory = -1;
  bool named = writeAddress(address, command.runRoot, word("/pool/"), digest);
  if (!named) named = writeLongAddress(address, command.runRoot, digest, directory);
  long socket = named ? sys::call(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;
  if (socket >= 0 && sys::call(SYS_connect, socket, sys::address(&address), sizeof address) < 0) {
    sys::close(socket);
    socket = -1;
  }
  sys::close(directory);
  return socket;
}

bool sendRequest(long socket, Text request) {
  union {
    char bytes[CMSG_SPACE(2 * sizeof(int))];
    cmsghdr align;
  } control;
  control.align.cmsg_level = SOL_SOCKET;
  control.align.cmsg_type = SCM_RIGHTS;
  control.align.cmsg_len = CMSG_LEN(2 * sizeof(int));
  int* streams = reinterpret_cast<int*>(CMSG_DATA(&control.align));
  streams[0] = 1;
  streams[1] = 2;
  iovec part;
  part.iov_base = const_cast<char*>(request.data);
  part.iov_len = request.size;
  msghdr header;
  header.msg_name = nullptr;
  header.msg_namelen = 0;
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes;
  header.msg_controllen = sizeof control.bytes;
  header.msg_flags = 0;
  return sys::call(SYS_sendmsg, socket, sys::address(&header), MSG_NOSIGNAL) == static_cast<long>(request.size);
}

// A wait for POLLRDHUP alone is not woken by messages (poll(2) waits by kind): the sandbox closes the connection when
// it has said how it ended, and the three words are read in one go.
int follow(long socket, long signals, Handover& talk) {
  pollfd set[2];
  set[0].fd = static_cast<int>(socket);
  set[0].events = POLLRDHUP;
  set[1].fd = static_cast<int>(signals);
  set[1].events = POLLIN;
  int patience = kShortRunMs;
  for (;;) {
    const long ready = sys::poll(set, 2, patience);
    const bool isFirst = (set[0].events & POLLIN) == 0;
    if (ready < 0 && ready != -EINTR) return -1;
    if (ready > 0 && set[1].revents != 0) return -1;
    if (ready == 0 && !isFirst) return -1;
    int code = -1;
    bool unusual = false;
    while (step(socket, talk, code, unusual)) {
    }
    if (code >= 0) return code;
    // A hang-up without the last word, too, is for others to explain.
    if (unusual || (ready > 0 && (set[0].revents & (POLLHUP | POLLRDHUP | POLLERR)) != 0)) return -1;
    set[0].events = POLLIN | POLLRDHUP;
    patience = talk.begun == Begun::started ? -1 : talk.begun == Begun::taken ? kStartedMs : kTakenMs;
  }
}

}  // namespace lightv::entry
