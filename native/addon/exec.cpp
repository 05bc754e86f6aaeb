#include "addon/exec.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sodium/utils.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "engine/exec_request.hpp"
#include "engine/program.hpp"
#include "sys/json.hpp"
#include "sys/pipe.hpp"
#include "sys/time.hpp"

namespace lightv::addon {
namespace {

/** The reading end of a pipe and the last bytes that came out of it. */
class Output {
 public:
  Status open(std::size_t maxBytes) {
    if (Status made = openPipe(pipe_, "exec"); !made) return made;
    maxBytes_ = maxBytes;
    // Ours alone: the program's end keeps blocking.
    if (::fcntl(pipe_.read.get(), F_SETFL, O_NONBLOCK) < 0) return Error{"fcntl", errno, "exec"};
    return {};
  }
  [[nodiscard]] int writeEnd() const { return pipe_.write.get(); }
  void closeWriteEnd() { pipe_.write.reset(); }
  /** -1 after its end, which poll(2) leaves out. */
  [[nodiscard]] int fd() const { return pipe_.read.get(); }

  /** Takes what is there now. */
  void drain() {
    char buffer[16384];
    while (pipe_.read) {
      const ssize_t got = ::read(pipe_.read.get(), buffer, sizeof buffer);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return;
      if (got <= 0) return pipe_.read.reset();
      keep(std::string_view(buffer, static_cast<std::size_t>(got)));
    }
  }
  [[nodiscard]] bool truncated() const { return truncated_; }
  [[nodiscard]] std::string base64() const {
    const std::string_view last = tail();
    std::string text(sodium_base64_ENCODED_LEN(last.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
    sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(last.data()), last.size(),
                      sodium_base64_VARIANT_ORIGINAL);
    text.pop_back();  // its NUL
    return text;
  }

 private:
  [[nodiscard]] std::string_view tail() const {
    const std::string_view all(bytes_);
    return all.size() > maxBytes_ ? all.substr(all.size() - maxBytes_) : all;
  }
  // Cut only when it has grown to twice its size: else every piece would move all that is kept.
  void keep(std::string_view piece) {
    bytes_ += piece;
    if (bytes_.size() > maxBytes_) truncated_ = true;
    if (bytes_.size() > 2 * maxBytes_) bytes_.erase(0, bytes_.size() - maxBytes_);
  }

  Pipe pipe_;
  std::string bytes_;
  std::size_t maxBytes_ = 0;
  bool truncated_ = false;
};

/** Reads until the program itself has ended: what it left in the background may hold the pipes for ever. */
bool readUntilEnd(int programEnded, Output& out, Output& err, std::uint32_t timeoutMs) {
  const std::uint64_t deadline = monotonicUs() + std::uint64_t{timeoutMs} * 1000;
  for (;;) {
    const std::uint64_t now = monotonicUs();
    if (now >= deadline) return false;
    std::array<pollfd, 3> fds = {{{programEnded, POLLIN, 0}, {out.fd(), POLLIN, 0}, {err.fd(), POLLIN, 0}}};
    const int ready = ::poll(fds.data(), fds.size(), static_cast<int>((deadline - now) / 1000 + 1));
    if (ready < 0 && errno != EINTR) return false;
    out.drain();
    err.drain();
    if (ready > 0 && fds[0].revents != 0) return true;
  }
}

}  // namespace

Result<std::string> execAndCollect(const Engine& engine, const std::string& id, const std::string& execJson) {
  const Result<SandboxInfo> info = engine.info(id);
  if (!info) return info.error();
  Result<ExecRequest> request = parseExecRequest(execJson, info->spec);
  if (!request) return request.error();
  Output out;
  Output err;
  if (Status opened = out.open(request->maxOutputBytes); !opened) return opened.error();
  if (Status opened = err.open(request->maxOutputBytes); !opened) return opened.error();
  request->exec.stdio = Stdio{-1, out.writeEnd(), err.writeEnd()};
  Result<Program> program = Program::start(engine, id, execJson, *request);
  if (!program) return program.error();
  out.closeWriteEnd();
  err.closeWriteEnd();
  const bool ended = readUntilEnd(program->ended(), out, err, request->timeoutMs);
  if (!ended) program->kill();
  const int exitCode = program->exitCode();
  out.drain();
  err.drain();
  JsonWriter writer;
  writer.beginObject().member("exitCode", exitCode).member("stdout", out.base64()).member("stderr", err.base64());
  writer.member("truncated", out.truncated() || err.truncated()).member("timedOut", !ended).endObject();
  return writer.text();
}

}  // namespace lightv::addon
