// Streams of a workload and the clients that are attached to them.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>

#include "lv_builder.hpp"
#include "monitor/output.hpp"
#include "sys/file.hpp"

using namespace lightv;

namespace {

struct Pipe {
  Fd read, write;
  Pipe() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    read.reset(ends[0]);
    write.reset(ends[1]);
  }
};

std::string readSome(int fd, std::size_t most) {
  std::string text(most, '\0');
  const ssize_t got = ::read(fd, text.data(), text.size());
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

/** A stream with its log off, fed from a pipe. */
struct Fixture {
  LogWriter log{"/nowhere", LogOptions{.enabled = false}};
  Output output{log, Stream::out};
  Pipe source;
  Fixture() {
    ::signal(SIGPIPE, SIG_IGN);
    output.open(std::move(source.read));
  }
  void feed(const std::string& text) { REQUIRE(writeAll(source.write.get(), text, "source").ok()); }
};

}  // namespace

TEST_CASE("output: every client gets what came since it attached") {
  Fixture fixture;
  Pipe first;
  Pipe second;
  fixture.output.attach(1, std::move(first.write));
  fixture.feed("one ");
  fixture.output.pump();
  fixture.output.attach(2, std::move(second.write));
  fixture.feed("two");
  fixture.output.pump();
  CHECK(readSome(first.read.get(), 100) == "one two");
  CHECK(readSome(second.read.get(), 100) == "two");
}

TEST_CASE("output: a client that does not read holds its stream back until it does, and loses nothing") {
  Fixture fixture;
  Pipe slow;
  REQUIRE(::fcntl(slow.write.get(), F_SETPIPE_SZ, 4096) >= 4096);
  fixture.output.attach(1, std::move(slow.write));
  std::string sent;
  std::string got;
  for (int i = 0; fixture.output.readable() >= 0; i++) {
    REQUIRE(i < 100);
    const std::string piece(3000, static_cast<char>('a' + i % 26));
    fixture.feed(piece);
    sent += piece;
    fixture.output.pump();
  }
  CHECK(fixture.output.owes(1));
  std::vector<int> waiting;
  fixture.output.waiting(waiting);
  CHECK(waiting.size() == 1);
  while (fixture.output.owes(1)) {
    got += readSome(slow.read.get(), 4096);
    fixture.output.flush();
  }
  CHECK(fixture.output.readable() >= 0);
  while (got.size() < sent.size()) got += readSome(slow.read.get(), 4096);
  CHECK(got == sent);
}

TEST_CASE("output: at the end all that is left is taken, even past a client that does not read") {
  const lvtest::TempDir home;
  LogWriter log(home.at("log"), LogOptions{});
  REQUIRE(log.open().ok());
  Output output(log, Stream::out);
  Pipe source;
  Pipe slow;
  REQUIRE(::fcntl(slow.write.get(), F_SETPIPE_SZ, 4096) >= 4096);
  output.open(std::move(source.read));
  output.attach(1, std::move(slow.write));
  std::string sent;
  for (int i = 0; i < 60; i++) sent += std::string(999, static_cast<char>('a' + i % 26)) + "\n";
  REQUIRE(writeAll(source.write.get(), sent, "source").ok());
  output.drain();
  CHECK(log.lines() == 60);
  std::string got;
  while (output.owes(1)) {
    got += readSome(slow.read.get(), 4096);
    output.flush();
  }
  while (got.size() < sent.size()) got += readSome(slow.read.get(), 4096);
  CHECK(got == sent);
}

TEST_CASE("output: a client whose reader has gone is dropped, the others go on") {
  Fixture fixture;
  Pipe dead;
  Pipe alive;
  fixture.output.attach(1, std::move(dead.write));
  fixture.output.attach(2, std::move(alive.write));
  dead.read.reset();
  fixture.feed("text");
  fixture.output.pump();
  CHECK(readSome(alive.read.get(), 100) == "text");
  CHECK_FALSE(fixture.output.owes(1));
}

TEST_CASE("output: detaching a slow client lets the stream go on") {
  Fixture fixture;
  Pipe slow;
  REQUIRE(::fcntl(slow.write.get(), F_SETPIPE_SZ, 4096) >= 4096);
  fixture.output.attach(7, std::move(slow.write));
  for (int i = 0; i < 10 && fixture.output.readable() >= 0; i++) {
    fixture.feed(std::string(4000, 'z'));
    fixture.output.pump();
  }
  REQUIRE(fixture.output.readable() < 0);
  fixture.output.detach(7);
  CHECK(fixture.output.readable() >= 0);
}

TEST_CASE("sink: the flags of a shared descriptor stay as they are, and a write never blocks") {
  Pipe pipe;
  REQUIRE(::fcntl(pipe.write.get(), F_SETPIPE_SZ, 4096) >= 4096);
  const int before = ::fcntl(pipe.write.get(), F_GETFL);
  Sink sink(Fd(::fcntl(pipe.write.get(), F_DUPFD_CLOEXEC, 3)));
  long total = 0;
  for (long took = 1; took > 0; total += took) took = sink.write(std::string(3000, 'x'));
  CHECK(total >= 3000);
  CHECK(::fcntl(pipe.write.get(), F_GETFL) == before);
}

TEST_CASE("sink: a regular file goes on where the shell's offset is") {
  const lvtest::TempDir home;
  const Fd file(::open(home.at("out").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  REQUIRE(writeAll(file.get(), "shell ", "out").ok());
  Sink sink(Fd(::fcntl(file.get(), F_DUPFD_CLOEXEC, 3)));
  CHECK(sink.write("sandbox") == 7);
  CHECK(*readFile(home.at("out")) == "shell sandbox");
}

TEST_CASE("sink: a full socket does not block either, and keeps its flags") {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const Fd reader(ends[0]);
  const int before = ::fcntl(ends[1], F_GETFL);
  Sink sink{Fd(::fcntl(ends[1], F_DUPFD_CLOEXEC, 3))};
  const Fd writer(ends[1]);
  long took = 1;
  while (took > 0) took = sink.write(std::string(60000, 'x'));
  CHECK(took == 0);
  CHECK(::fcntl(writer.get(), F_GETFL) == before);
}
