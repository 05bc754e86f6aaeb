#include "monitor/output.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "sys/time.hpp"

namespace lightv {
namespace {

constexpr std::size_t kReadBytes = 16U << 10;
constexpr std::size_t kDrainBytes = 2U << 20;
/** With kReadBytes: 4 MiB a second. */
constexpr std::uint64_t kRestUs = 4000;

}  // namespace

void Output::attach(unsigned owner, Fd fd) {
  clients_.push_back({owner, Sink(std::move(fd)), held_.size()});
}

void Output::detach(unsigned owner) {
  std::erase_if(clients_, [owner](const Client& client) { return client.owner == owner; });
  settle();
}

std::uint64_t Output::restsUntilUs() const {
  return restsUntilUs_ != 0 && monotonicUs() < restsUntilUs_ ? restsUntilUs_ : 0;
}

int Output::readable() const {
  return held_.empty() && restsUntilUs() == 0 ? source_.get() : -1;
}

void Output::pump() {
  if (readable() < 0) return;
  readOnce();
  restsUntilUs_ = source_ && clients_.empty() && log_.isFlooded() ? monotonicUs() + kRestUs : 0;
}

/** True when there may be more. */
bool Output::readOnce() {
  char buffer[kReadBytes];
  ssize_t got = 0;
  do {
    got = read(source_.get(), buffer, sizeof buffer);
  } while (got < 0 && errno == EINTR);
  if (got > 0) {
    const std::string_view data(buffer, static_cast<std::size_t>(got));
    log_.write(stream_, data);
    pass(data);
    return true;
  }
  if (got < 0 && errno == EAGAIN) return false;
  // End of file; a pty master says it by EIO when the last slave has been closed.
  source_.reset();
  log_.end(stream_);
  return false;
}

void Output::drain() {
  // A pipe holds 64 KiB, or what fcntl(2) F_SETPIPE_SZ gave it; other processes in there may still be writing.
  for (std::size_t left = kDrainBytes; source_ && left > 0; left -= kReadBytes) {
    pollfd entry{source_.get(), POLLIN, 0};
    if (poll(&entry, 1, 0) <= 0 || !readOnce()) break;
  }
  source_.reset();
  log_.end(stream_);
}

/** Gives `data` to every client; what one does not take is held for all of them. */
void Output::pass(std::string_view data) {
  if (clients_.empty()) return;
  if (!held_.empty()) {  // only while draining
    held_.append(data);
    flush();
    return;
  }
  bool all = true;
  for (auto client = clients_.begin(); client != clients_.end();) {
    client->taken = 0;
    long took = 0;
    while (client->taken < data.size() && (took = client->sink.write(data.substr(client->taken))) > 0) {
      client->taken += static_cast<std::size_t>(took);
    }
    all = all && (took < 0 || client->taken == data.size());
    client = took < 0 ? clients_.erase(client) : client + 1;
  }
  if (!all) held_ = data;
}

/** False when the client has gone. */
bool Output::offer(Client& client) {
  while (client.taken < held_.size()) {
    const long took = client.sink.write(std::string_view(held_).substr(client.taken));
    if (took < 0) return false;
    if (took == 0) break;
    client.taken += static_cast<std::size_t>(took);
  }
  return true;
}

void Output::flush() {
  for (auto client = clients_.begin(); client != clients_.end();) {
    client = offer(*client) ? client + 1 : clients_.erase(client);
  }
  settle();
}

/** Lets go of what everybody has. */
void Output::settle() {
  const bool all = std::all_of(clients_.begin(), clients_.end(),
                               [this](const Client& client) { return client.taken == held_.size(); });
  if (!all) return;
  std::string().swap(held_);
  for (Client& client : clients_) client.taken = 0;
}

void Output::waiting(std::vector<int>& descriptors) const {
  for (const Client& client : clients_) {
    if (client.taken < held_.size()) descriptors.push_back(client.sink.descriptor());
  }
}

bool Output::owes(unsigned owner) const {
  return std::any_of(clients_.begin(), clients_.end(),
                     [&](const Client& client) { return client.owner == owner && client.taken < held_.size(); });
}

}  // namespace lightv
