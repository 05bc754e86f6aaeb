#include "core/report.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace lightv {
namespace {

void copyText(char* out, std::size_t size, const char* text) {
  std::size_t length = std::strlen(text);
  if (length >= size) length = size - 1;
  std::memcpy(out, text, length);
  out[length] = '\0';
}

union ControlBuffer {
  char bytes[CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(sizeof(int))];
  cmsghdr align;
};

/** Takes the sender and, perhaps, a descriptor out of a message. */
void readControl(msghdr& message, pid_t& sender, Fd& descriptor) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET) continue;
    if (header->cmsg_type == SCM_CREDENTIALS) {
      ucred credentials{};
      std::memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
      sender = credentials.pid;
    } else if (header->cmsg_type == SCM_RIGHTS) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
      descriptor.reset(fd);
    }
  }
}

/** What to do about an execve(2) that failed; nothing for any other report. */
std::string hintFor(const ChildReport& report) {
  if (std::strcmp(report.op, "exec") != 0) return "";
  switch (report.err) {
    case ENOENT:
      return "it, or the interpreter that it names, is not in the image: check the command";
    case EACCES:
      return "it is a directory, or has no execute permission: check the command and the image";
    case ENOEXEC:
      return "it is for another architecture, or no program: check the image";
    default:
      return "";
  }
}

void addToStory(ChildStory& story, ChildReport& report, pid_t sender, Fd descriptor) {
  report.op[sizeof report.op - 1] = '\0';
  report.detail[sizeof report.detail - 1] = '\0';
  switch (report.kind) {
    case ReportKind::warning:
      story.warnings.push_back(Error{report.op, report.err, report.detail}.message());
      return;
    case ReportKind::error:
      if (!story.error) story.error = Error{report.op, report.err, report.detail, hintFor(report)};
      return;
    case ReportKind::ready:
    case ReportKind::parked:
      (report.kind == ReportKind::ready ? story.ready : story.parked) = true;
      story.pid = sender;
      return;
    case ReportKind::terminal:
      story.ptyMaster = std::move(descriptor);
      return;
    case ReportKind::child:
      story.child = report.err;
      return;
  }
}

}  // namespace

void Reporter::send(ReportKind kind, const char* op, const char* detail, int err) const {
  ChildReport report;
  report.kind = kind;
  report.err = err;
  copyText(report.op, sizeof report.op, op);
  copyText(report.detail, sizeof report.detail, detail);
  while (::send(socket_, &report, sizeof report, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

void Reporter::fail(const char* op, const char* detail, int err) const {
  send(ReportKind::error, op, detail, err);
  ::_exit(125);
}

void Reporter::warn(const char* op, const char* detail, int err) const {
  send(ReportKind::warning, op, detail, err);
}

void Reporter::ready() const {
  send(ReportKind::ready, "", "", 0);
}

void Reporter::parked() const {
  send(ReportKind::parked, "", "", 0);
}

void Reporter::child(pid_t pid) const {
  send(ReportKind::child, "", "", pid);
}

int Reporter::giveTerminal(int master) const {
  ChildReport report;
  report.kind = ReportKind::terminal;
  iovec part{&report, sizeof report};
  ControlBuffer control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = CMSG_SPACE(sizeof(int));
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &master, sizeof master);
  return ::sendmsg(socket_, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

void Reporter::awaitRelease() const {
  char byte = 0;
  ssize_t got = 0;
  do {
    got = ::recv(socket_, &byte, 1, 0);
  } while (got < 0 && errno == EINTR);
  if (got != 1) ::_exit(125);
}

Status makeReportPair(Fd& parent, Fd& child) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return Error{"socketpair", errno};
  parent.reset(pair[0]);
  // Above the standard streams, whose places the child fills.
  const Fd low(pair[1]);
  child.reset(::fcntl(low.get(), F_DUPFD_CLOEXEC, 3));
  if (!child) return Error{"duplicate socket", errno};
  const int on = 1;
  if (::setsockopt(parent.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0) return Error{"SO_PASSCRED", errno};
  return {};
}

Status release(int socket) {
  if (::send(socket, "", 1, MSG_NOSIGNAL) == 1) return {};
  return Error{"start sandbox", errno, "its first process is gone"};
}

ChildStory listenToChild(int socket) {
  ChildStory story;
  for (;;) {
    ChildReport report;
    iovec part{&report, sizeof report};
    ControlBuffer control{};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    const ssize_t got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    // ECONNRESET, once: a child died with something unread; what it has said itself comes behind that.
    if (got < 0 && (errno == EINTR || errno == ECONNRESET)) continue;
    // Less than a record is the end.
    if (got != static_cast<ssize_t>(sizeof report)) return story;
    pid_t sender = -1;
    Fd descriptor;
    readControl(message, sender, descriptor);
    addToStory(story, report, sender, std::move(descriptor));
    if (story.parked) return story;
  }
}

}  // namespace lightv
