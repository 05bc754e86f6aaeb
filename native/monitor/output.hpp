// One output stream of a workload: from its pipe (or terminal) to the log and to everybody who is attached.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "monitor/log_writer.hpp"
#include "monitor/sink.hpp"
#include "sys/fd.hpp"

namespace lightv {

class Output {
 public:
  Output(LogWriter& log, Stream stream) : log_(log), stream_(stream) {}

  /** Begins to read from a new run's pipe. */
  void open(Fd source) { source_ = std::move(source); }
  /** Attaches a descriptor of client `owner`: it gets what comes from now on. */
  void attach(unsigned owner, Fd fd);
  void detach(unsigned owner);

  /**
   * The descriptor to poll for reading; -1 when there is none, or when a slow client holds the stream back, or when it
   * rests.
   */
  [[nodiscard]] int readable() const;
  /** A stream that floods the log and has no other reader is read slowly: to drop at full speed would take a processor
   * that no budget of the workload counts. In microseconds of the monotonic clock; 0: it does not rest. */
  [[nodiscard]] std::uint64_t restsUntilUs() const;
  /** Reads once and passes it on. Call it when readable() is. */
  void pump();
  /** The run has ended: takes all that is left in the pipe without waiting for anybody, and closes it. */
  void drain();

  /** Descriptors that have not taken everything yet: poll them for writing, then call flush(). */
  void waiting(std::vector<int>& descriptors) const;
  void flush();
  /** Has this client not got everything yet? */
  [[nodiscard]] bool owes(unsigned owner) const;

 private:
  struct Client {
    unsigned owner = 0;
    Sink sink;
    std::size_t taken = 0;  // of held_
  };
  bool readOnce();
  void pass(std::string_view data);
  bool offer(Client& client);
  void settle();

  LogWriter& log_;
  Stream stream_;
  Fd source_;
  std::vector<Client> clients_;
  std::uint64_t restsUntilUs_ = 0;
  std::string held_;  // bytes that some client has not taken; empty while all keep up
};

}  // namespace lightv
