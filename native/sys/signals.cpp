// sigabbrev_np(3) would drag in glibc's translated tables, and knows no aliases.
#include "sys/signals.hpp"

#include <array>
#include <csignal>

#include "sys/text.hpp"

namespace lightv {

namespace {

struct Name {
  const char* name;
  int signal;
};
constexpr std::array kNames = {
    Name{"HUP", SIGHUP},       Name{"INT", SIGINT},   Name{"QUIT", SIGQUIT},   Name{"ILL", SIGILL},
    Name{"TRAP", SIGTRAP},     Name{"ABRT", SIGABRT}, Name{"BUS", SIGBUS},     Name{"FPE", SIGFPE},
    Name{"KILL", SIGKILL},     Name{"USR1", SIGUSR1}, Name{"SEGV", SIGSEGV},   Name{"USR2", SIGUSR2},
    Name{"PIPE", SIGPIPE},     Name{"ALRM", SIGALRM}, Name{"TERM", SIGTERM},   Name{"CHLD", SIGCHLD},
    Name{"CONT", SIGCONT},     Name{"STOP", SIGSTOP}, Name{"TSTP", SIGTSTP},   Name{"TTIN", SIGTTIN},
    Name{"TTOU", SIGTTOU},     Name{"URG", SIGURG},   Name{"XCPU", SIGXCPU},   Name{"XFSZ", SIGXFSZ},
    Name{"VTALRM", SIGVTALRM}, Name{"PROF", SIGPROF}, Name{"WINCH", SIGWINCH}, Name{"IO", SIGIO},
    Name{"PWR", SIGPWR},       Name{"SYS", SIGSYS},   Name{"IOT", SIGABRT},    Name{"STKFLT", SIGSTKFLT},
    Name{"POLL", SIGIO},       Name{"CLD", SIGCHLD},
};
constexpr int kFirstRealtime = 34, kLastRealtime = 64;  // what glibc leaves to programs

}  // namespace

int parseSignal(std::string_view text) {
  if (const auto number = parseInteger<int>(text)) return *number >= 1 && *number <= kLastRealtime ? *number : 0;
  const std::string upper = toUpper(text);
  std::string_view name = upper;
  if (name.starts_with("SIG")) name.remove_prefix(3);
  for (const Name& known : kNames) {
    if (name == known.name) return known.signal;
  }
  if (name == "RTMIN") return kFirstRealtime;
  if (name == "RTMAX") return kLastRealtime;
  if (!name.starts_with("RTMIN+") && !name.starts_with("RTMAX-")) return 0;
  const auto offset = parseInteger<unsigned>(name.substr(6));
  if (!offset || *offset > kLastRealtime - kFirstRealtime) return 0;
  return name[5] == '+' ? kFirstRealtime + static_cast<int>(*offset) : kLastRealtime - static_cast<int>(*offset);
}

// Handlers go by themselves at execve; what the caller ignores would stay ignored.
void resetSignals() {
  struct sigaction defaults {};
  defaults.sa_handler = SIG_DFL;
  for (int signal = 1; signal < _NSIG; signal++) (void)::sigaction(signal, &defaults, nullptr);
  sigset_t none;
  (void)::sigemptyset(&none);
  (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
}

std::string signalName(int signal) {
  for (const Name& known : kNames) {
    if (signal == known.signal) return known.name;
  }
  return std::to_string(signal);
}

}  // namespace lightv
