#include "sys/socket.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "lv_builder.hpp"

using namespace lightv;

namespace {

struct Pair {
  Fd one, other;
  Pair() { REQUIRE(seqpacketPair(one, other).ok()); }
};

std::size_t openDescriptors() {
  return lightv::listDir("/proc/self/fd")->size();
}

}  // namespace

TEST_CASE("socket: messages keep their borders and carry descriptors, which are close-on-exec") {
  const Pair pair;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const Fd read(ends[0]);
  const Fd write(ends[1]);
  REQUIRE(sendMessage(pair.one.get(), "first").ok());
  const int passed[2] = {read.get(), write.get()};
  REQUIRE(sendMessage(pair.one.get(), "second", passed, 2).ok());
  const auto first = receiveMessage(pair.other.get());
  REQUIRE(first.ok());
  CHECK(first->text == "first");
  CHECK(first->fdCount == 0);
  auto second = receiveMessage(pair.other.get());
  REQUIRE(second.ok());
  CHECK(second->text == "second");
  REQUIRE(second->fdCount == 2);
  CHECK((::fcntl(second->fds[0].get(), F_GETFD) & FD_CLOEXEC) != 0);
  REQUIRE(::write(second->fds[1].get(), "x", 1) == 1);
  char byte = 0;
  CHECK(::read(read.get(), &byte, 1) == 1);
  CHECK(byte == 'x');
}

TEST_CASE("socket: the end of the other side is told, and sending to it is an error, not a signal") {
  Pair pair;
  REQUIRE(sendMessage(pair.one.get(), "last words").ok());
  pair.one.reset();
  CHECK(receiveMessage(pair.other.get())->text == "last words");
  CHECK(receiveMessage(pair.other.get())->endOfFile);
  CHECK(sendMessage(pair.other.get(), "hello?").error().err == EPIPE);
}

TEST_CASE("socket: a message may be 64 KiB and no byte more, on either side") {
  const Pair pair;
  const std::string most(kMaxMessageBytes, 'm');
  REQUIRE(sendMessage(pair.one.get(), most).ok());
  CHECK(receiveMessage(pair.other.get())->text == most);
  CHECK(sendMessage(pair.one.get(), most + "x").error().err == EMSGSIZE);
  REQUIRE(::send(pair.one.get(), (most + "x").data(), most.size() + 1, 0) > 0);
  CHECK(receiveMessage(pair.other.get()).error().err == EMSGSIZE);
  REQUIRE(sendMessage(pair.one.get(), "after").ok());
  CHECK(receiveMessage(pair.other.get())->text == "after");
}

TEST_CASE("socket: more descriptors than allowed are refused, and none of them leaks") {
  const Pair pair;
  const std::size_t before = openDescriptors();
  constexpr std::size_t kMany = 16;
  union {
    char bytes[CMSG_SPACE(kMany * sizeof(int))];
    cmsghdr align;
  } control{};
  iovec part{const_cast<char*>("x"), 1};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes;
  header.msg_controllen = sizeof control.bytes;
  cmsghdr* rights = CMSG_FIRSTHDR(&header);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(kMany * sizeof(int));
  for (std::size_t i = 0; i < kMany; i++) {
    const int fd = pair.one.get();
    std::memcpy(CMSG_DATA(rights) + i * sizeof(int), &fd, sizeof fd);
  }
  REQUIRE(::sendmsg(pair.one.get(), &header, 0) == 1);
  CHECK(receiveMessage(pair.other.get()).error().err == EMSGSIZE);
  CHECK(openDescriptors() == before);
}

TEST_CASE("socket: a path may be longer than sun_path, and only its owner may connect") {
  const lvtest::TempDir home;
  const std::string directory = home.at(std::string(100, 'd') + "/" + std::string(100, 'e'));
  REQUIRE(makeDirs(directory).ok());
  const std::string path = directory + "/ctl.sock";
  const auto listener = listenSeqpacket(path);
  INFO(listener.error().message());
  REQUIRE(listener.ok());
  struct stat stat {};
  REQUIRE(::stat(path.c_str(), &stat) == 0);
  CHECK((stat.st_mode & 0777) == 0600);
  CHECK_FALSE(acceptConnection(listener->get())->valid());
  const auto client = connectSeqpacket(path);
  REQUIRE(client.ok());
  const auto server = acceptConnection(listener->get());
  REQUIRE(server.ok());
  REQUIRE(server->valid());
  CHECK(peerOf(server->get())->pid == ::getpid());
  CHECK(peerOf(server->get())->uid == ::geteuid());
  REQUIRE(sendMessage(client->get(), "hello").ok());
  CHECK(receiveMessageWithin(server->get(), 60000)->text == "hello");
  CHECK(receiveMessageWithin(server->get(), 10).error().err == ETIMEDOUT);
}

TEST_CASE("socket: nobody there is told apart, and a dead socket is replaced") {
  const lvtest::TempDir home;
  const std::string path = home.at("ctl.sock");
  CHECK(connectSeqpacket(path).error().err == ENOENT);
  {
    const auto listener = listenSeqpacket(path);
    REQUIRE(listener.ok());
  }
  CHECK(connectSeqpacket(path).error().err == ECONNREFUSED);
  const auto again = listenSeqpacket(path);
  REQUIRE(again.ok());
  CHECK(connectSeqpacket(path).ok());
}
