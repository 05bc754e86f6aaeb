#include "monitor/clients.hpp"

#include <unistd.h>

#include <algorithm>

#include "sys/socket.hpp"

namespace lightv {

Client& Clients::add(Fd connection) {
  clients_.push_back({nextId_++, std::move(connection), false});
  return clients_.back();
}

Client* Clients::find(unsigned id) {
  const auto found =
      std::find_if(clients_.begin(), clients_.end(), [id](const Client& client) { return client.id == id; });
  return found == clients_.end() ? nullptr : &*found;
}

void Clients::drop(unsigned id) {
  std::erase_if(clients_, [id](const Client& client) { return client.id == id; });
}

void Clients::accept(int listener) {
  while (true) {
    Result<Fd> connection = acceptConnection(listener);
    if (!connection || !connection->valid()) return;
    // The socket's mode says so already; this holds too where somebody has opened the directory.
    const Result<Peer> peer = peerOf(connection->get());
    if (!peer || (peer->uid != 0 && peer->uid != geteuid()) || clients_.size() >= kMost) continue;
    add(std::move(*connection));
  }
}

void Clients::send(unsigned id, const std::string& text, int fd) {
  const Client* client = find(id);
  if (client == nullptr) return;
  if (!sendMessage(client->connection.get(), text, &fd, fd >= 0 ? 1 : 0)) drop(id);
}

}  // namespace lightv
