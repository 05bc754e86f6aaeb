// The connections of a control socket. What their requests mean is the monitor's business.
#pragma once

#include <string>
#include <vector>

#include "sys/fd.hpp"

namespace lightv {

struct Client {
  unsigned id = 0;
  Fd connection;
  bool waits = false;  // gets the exit object when the sandbox has ended for good
};

class Clients {
 public:
  /** More than anybody needs, few enough that a broken caller can't make the monitor large. */
  static constexpr std::size_t kMost = 256;

  Client& add(Fd connection);
  [[nodiscard]] Client* find(unsigned id);
  [[nodiscard]] const std::vector<Client>& all() const { return clients_; }
  void drop(unsigned id);

  /** Takes what waits at the listener; those of other users, and those too many, are closed. */
  void accept(int listener);

  /** Sends; a client that does not read its answers is dropped. */
  void send(unsigned id, const std::string& text, int fd = -1);

 private:
  std::vector<Client> clients_;
  unsigned nextId_ = 1;
};

}  // namespace lightv
