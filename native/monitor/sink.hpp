// A descriptor of an attached client, written without ever blocking and without touching its flags: the open file
// description is shared with a shell, and O_NONBLOCK set on it would break that shell.
#pragma once

#include <cstddef>
#include <string_view>

#include "sys/fd.hpp"

namespace lightv {

class Sink {
 public:
  /** Pipes and terminals are opened anew through /proc/self/fd, which gives a description, and so flags, of our own. */
  explicit Sink(Fd fd);

  /** Writes what fits now. Gives the number of bytes taken; 0 when it would block, or -1 when the reader has gone. */
  [[nodiscard]] long write(std::string_view data);
  [[nodiscard]] int descriptor() const { return fd_.get(); }

 private:
  enum class Kind { own, socket, shared };
  Fd fd_;
  Kind kind_ = Kind::shared;
};

}  // namespace lightv
