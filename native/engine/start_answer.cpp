#include "engine/start_answer.hpp"

#include <cerrno>
#include <csignal>

#include "engine/settle.hpp"
#include "monitor/control.hpp"
#include "monitor/lock.hpp"
#include "sys/socket.hpp"
#include "sys/syscalls.hpp"

namespace lightv {
namespace {

/**
 * A monitor that says nothing is of no use: nobody could stop what it may start some day. Its sandbox ends with it; one
 * that has not begun yet finds that nobody waits for it (monitor.cpp).
 */
Error giveUp(const SandboxFiles& files, int timeoutMs) {
  const Result<LockState> holder = whoHolds(files);
  const pid_t pid = holder ? holder->monitorPid : 0;
  const Fd monitor(pid > 0 ? sys::pidfdOpen(pid) : -1);
  // Asked again: the number may be another process's by now.
  const Result<LockState> still = whoHolds(files);
  const bool killed = monitor && still && still->monitorPid == pid && sys::pidfdSendSignal(monitor.get(), SIGKILL) == 0;
  if (killed && lockForEngine(files)) (void)settleIfLost(files);
  return Error{"start", ETIMEDOUT, files.id(),
               "its monitor did not answer within " + std::to_string(timeoutMs / 1000) + " s" +
                   (killed ? " and was killed" : "") + "; look at the disk, and start it again"};
}

}  // namespace

Result<Started> takeStartAnswer(const SandboxFiles& files, Fd socket, int timeoutMs) {
  const std::string& id = files.id();
  Result<Message> message = receiveMessageWithin(socket.get(), timeoutMs);
  if (!message && message.error().err == ETIMEDOUT) return giveUp(files, timeoutMs);
  if (!message || message->endOfFile) {
    return Error{"start", EPIPE, id,
                 "its monitor ended before it could say why; see the kernel's log for out-of-memory"};
  }
  Result<ControlAnswer> answer = parseAnswer(message->text);
  if (!answer) return answer.error();
  Started started;
  started.pid = answer->pid;
  started.warnings = std::move(answer->warnings);
  started.stdinEnd = std::move(message->fds[0]);
  started.control = std::move(socket);
  return started;
}

}  // namespace lightv
