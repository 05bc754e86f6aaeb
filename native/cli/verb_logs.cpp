#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <deque>

#include "cli/create_options.hpp"
#include "cli/log_reader.hpp"
#include "cli/output.hpp"
#include "cli/units.hpp"
#include "cli/verbs.hpp"
#include "monitor/control.hpp"
#include "sys/file.hpp"
#include "sys/socket.hpp"
#include "sys/text.hpp"
#include "sys/time.hpp"

namespace lightv::cli {

namespace {

constexpr Flag kLogsFlags[] = {
    {.name = "follow", .letter = 'f', .help = "Stay and show what comes, until the sandbox has ended"},
    {.name = "tail", .letter = 'n', .value = "LINES", .help = "Only the last lines; all"},
    {.name = "since", .value = "TIME", .help = "Lines from then on: RFC 3339, a Unix time, or back from now (10m)"},
    {.name = "until", .value = "TIME", .help = "Lines before then"},
    {.name = "timestamps", .letter = 't', .help = "Show the time of each line"},
};

struct LogsHow {
  bool follow = false, timestamps = false;
  std::size_t tail = ~std::size_t{0};
  std::optional<WallTime> since, until;
};

Status parseTimeFlag(const Parsed& parsed, const char* flag, std::optional<WallTime>& into) {
  if (!parsed.has(flag)) return {};
  WallTime time;
  if (!parsePointInTime(parsed.text(flag), wallNow().seconds, time.seconds, time.nanoseconds)) {
    return invalidValue(flag, parsed.text(flag),
                        "2026-01-31T10:00:00Z, seconds since 1970, or a time back from now such as 10m");
  }
  into = time;
  return {};
}

Result<LogsHow> logsHow(const Parsed& parsed) {
  LogsHow how{.follow = parsed.on("follow"), .timestamps = parsed.on("timestamps")};
  const std::string tail = parsed.text("tail", "all");
  if (tail != "all") {
    const auto lines = parseInteger<std::size_t>(tail);
    if (!lines) return invalidValue("tail", tail, "a whole number, or all");
    how.tail = *lines;
  }
  Status status = parseTimeFlag(parsed, "since", how.since);
  if (status) status = parseTimeFlag(parsed, "until", how.until);
  if (!status) return status.error();
  return how;
}

bool before(const WallTime& one, const WallTime& other) {
  return one.seconds != other.seconds ? one.seconds < other.seconds : one.nanoseconds < other.nanoseconds;
}

/** Puts lines together again, keeps the last ones while it must, and writes each to the stream that it came from. */
class LogPrinter {
 public:
  explicit LogPrinter(const LogsHow& how) : how_(how) {}

  void take(const LogLine& line) {
    const auto time = parseTime(line.time);
    if (!time || (how_.since && before(*time, *how_.since))) return;
    if (how_.until && !before(*time, *how_.until)) {
      past_ = true;
      return;
    }
    std::string& begun = begun_[line.isError ? 1 : 0];
    if (begun.empty() && how_.timestamps) begun.append(line.time).append(" ");
    begun += line.text;
    if (line.isPartial && begun.size() < kLongest) return;
    if (!line.isPartial) begun += '\n';
    add(line.isError, std::move(begun));
    begun.clear();
  }

  /** Everything that is held back goes out, also a line without its end. */
  void flush() {
    for (const Entry& entry : held_) write(entry);
    held_.clear();
    holding_ = false;
    flushOutput();
  }
  void end() {
    for (const bool isError : {false, true}) {
      if (!begun_[isError ? 1 : 0].empty()) add(isError, std::move(begun_[isError ? 1 : 0]));
    }
    flush();
  }
  [[nodiscard]] bool past() const { return past_; }

 private:
  static constexpr std::size_t kLongest = 1U << 20;
  static constexpr std::size_t kBatch = 64U << 10;
  struct Entry {
    bool isError;
    std::string text;
  };

  void add(bool isError, std::string text) {
    const bool all = how_.tail == ~std::size_t{0};
    if (!holding_ || all) return write({isError, std::move(text)});
    held_.push_back({isError, std::move(text)});
    if (held_.size() > how_.tail) held_.pop_front();
  }

  void write(const Entry& entry) {
    if (entry.isError != outputIsError_ || output_.size() > kBatch) flushOutput();
    outputIsError_ = entry.isError;
    output_ += entry.text;
  }

  void flushOutput() {
    if (output_.empty()) return;
    if (!outputIsError_) print(output_);
    if (outputIsError_) (void)writeAll(STDERR_FILENO, output_, "stderr");
    output_.clear();
  }

  const LogsHow& how_;
  std::array<std::string, 2> begun_;
  std::deque<Entry> held_;
  bool holding_ = true;
  bool past_ = false;
  bool outputIsError_ = false;
  std::string output_;
};

/** A connection that becomes readable when the sandbox has ended for good; invalid when no monitor has it. */
Fd askEnd(const Engine& engine, const std::string& id) {
  Result<Fd> control = connectSeqpacket(SandboxFiles(engine.paths(), id).socket());
  if (!control || !sendMessage(control->get(), toJson(ControlRequest{.op = ControlOp::wait}))) return Fd();
  return std::move(*control);
}

/** Milliseconds until `until`, -1 when there is none. */
int patience(const std::optional<WallTime>& until) {
  constexpr std::int64_t longest = 3600, msPerSecond = 1000;
  if (!until) return -1;
  const std::int64_t left = until->seconds - wallNow().seconds + 1;
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, longest) * msPerSecond);
}

Status follow(const LogsHow& how, LogReader& reader, LogPrinter& printer, const Fd& inotify, const Fd& control) {
  const auto take = [&](const LogLine& line) { printer.take(line); };
  for (bool ended = !control; !ended && !printer.past();) {
    std::array<pollfd, 2> fds = {pollfd{inotify.get(), POLLIN, 0}, pollfd{control.get(), POLLIN, 0}};
    const int ready = ::poll(fds.data(), fds.size(), patience(how.until));
    if (ready < 0 && errno != EINTR) return Error{"wait for the log", errno};
    if (ready == 0 && how.until && !before(wallNow(), *how.until)) return {};
    if (fds[0].revents != 0) {
      std::array<char, 4096> events;
      while (::read(inotify.get(), events.data(), events.size()) > 0) {
      }
    }
    ended = fds[1].revents != 0;
    if (Status status = reader.read(take); !status) return status;
    printer.flush();
  }
  return {};
}

int runLogs(const Engine& engine, const Parsed& parsed) {
  const Result<LogsHow> how = logsHow(parsed);
  if (!how) return fail(parsed, how.error(), kEngineFailed);
  const Result<std::string> id = engine.find(parsed.args[0]);
  if (!id) return fail(parsed, id.error());
  const Result<SandboxInfo> info = engine.info(*id);
  if (!info) return fail(parsed, info.error());
  if (!info->spec.log.enabled) {
    return fail(parsed, Error{"this sandbox keeps no log: it was made with --log-driver none", 0, parsed.args[0]});
  }
  const std::string directory = parentPath(engine.logPath(*id));
  // Watched and asked first: nothing that is written or ends while we read is missed.
  const Fd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  Fd control;
  if (how->follow) {
    control = askEnd(engine, *id);
    if (::inotify_add_watch(inotify.get(), directory.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0 &&
        errno != ENOENT) {
      return fail(parsed, Error{"watch the log", errno, directory});
    }
  }
  LogReader reader(directory);
  LogPrinter printer(*how);
  Status status = reader.open();
  if (status) status = reader.read([&](const LogLine& line) { printer.take(line); });
  printer.flush();
  if (status && how->follow) status = follow(*how, reader, printer, inotify, control);
  printer.end();
  return status ? 0 : fail(parsed, status.error());
}

}  // namespace

constinit const Verb kLogs = {.name = "logs",
                              .group = Group::common,
                              .usage = "[OPTIONS] SANDBOX",
                              .summary = "Show what a sandbox has written",
                              .flags = [] { return FlagTables{kLogsFlags}; },
                              .minArgs = 1,
                              .maxArgs = 1,
                              .offer = Offer::sandbox,
                              .run = runLogs};

}  // namespace lightv::cli
