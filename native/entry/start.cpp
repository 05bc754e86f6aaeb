// The first instructions of `lightv`. A C library takes a quarter of a millisecond to start (it asks the processor what
// it can, which a virtual machine answers slowly); the plain `lightv run` is told to a prepared sandbox before that.
// Whatever is not plain goes on as if nothing had happened: with the stack as the kernel has made it, at _start.
#include "entry/command.hpp"
#include "entry/connection.hpp"
#include "entry/handover.hpp"
#include "entry/system.hpp"

namespace lightv::entry {
namespace {

constexpr std::size_t kRequestBytes = 16U << 10;

constexpr sys::SignalSet bit(int signal) {
  return sys::SignalSet{1} << static_cast<unsigned>(signal - 1);
}

/** Those that cli/session.cpp holds and forwards. They stay pending for it. */
constexpr sys::SignalSet kHeld = bit(SIGHUP) | bit(SIGINT) | bit(SIGQUIT) | bit(SIGTERM) | bit(SIGUSR1) | bit(SIGUSR2) |
                                 bit(SIGALRM) | bit(SIGWINCH) | bit(SIGPWR) | bit(SIGIO) | bit(SIGVTALRM) |
                                 bit(SIGPROF);

/** The whole talk; comes back when the program has to go on, from where `handover` says. */
void talk(const Command& command, Text request) {
  sys::SignalSet before = 0;
  (void)sys::changeMask(SIG_BLOCK, kHeld, &before);
  const long signals = sys::openSignals(kHeld);
  // From the connection to the request nothing else: it wakes who will read it.
  const long socket = signals < 0 ? -1 : connectToPool(command);
  if (socket < 0 || !sendRequest(socket, request)) {
    sys::close(socket);
    sys::close(signals);
    (void)sys::changeMask(SIG_SETMASK, before, nullptr);
    return;
  }
  Handover& left = handover;
  left.begun = Begun::sent;
  left.socket = static_cast<int>(socket);
  const int code = follow(socket, signals, left);
  if (code >= 0) sys::exit(code);
  // The signals stay blocked: who goes on finds those that have come.
  sys::close(signals);
  (void)sys::call(SYS_fcntl, socket, F_SETFL, 0);
}

}  // namespace
}  // namespace lightv::entry

/** `stack`: argc, the arguments, a null, the environment, a null. */
extern "C" [[gnu::visibility("hidden"), gnu::used]] void lightv_early(const long* stack) {
  using namespace lightv::entry;
  const auto* argv = reinterpret_cast<const char* const*>(stack + 1);
  const auto* environment = argv + *stack + 1;
  Command command;
  if (!readCommand(argv, environment, command)) return;
  // A closed one would be taken by a file of ours.
  if (!sys::isOpen(0) || !sys::isOpen(1) || !sys::isOpen(2)) return;
  char room[kRequestBytes];
  Buffer request(room);
  writeRequest(command, request);
  if (request.isWhole()) talk(command, request.text());
}

// Registers at a program's start: zero but for the stack pointer (a static program has no rtld_fini).
#if defined(__x86_64__)
__asm__(R"(
  .section .text.lightv_entry,"ax",@progbits
  .globl lightv_entry
  .hidden lightv_entry
  .type lightv_entry,@function
lightv_entry:
  xorl %ebp, %ebp
  movq %rsp, %rdi
  call lightv_early
  xorl %edx, %edx
  jmp _start
  .size lightv_entry, .-lightv_entry
  .text
)");
#elif defined(__aarch64__)
__asm__(R"(
  .section .text.lightv_entry,"ax",@progbits
  .globl lightv_entry
  .hidden lightv_entry
  .type lightv_entry,@function
lightv_entry:
  mov x29, #0
  mov x30, #0
  mov x0, sp
  bl lightv_early
  mov x0, #0
  mov x29, #0
  mov x30, #0
  b _start
  .size lightv_entry, .-lightv_entry
  .text
)");
#endif
