// hog WHAT [DIRECTORY]      takes all it can get: processes memory tmpfs page-cache disk inodes log descriptors
//                           processor syncs; counts in the file that HOG_TALLY names
// hog serve SOCKET FILE     the neighbour
// hog ask SOCKET COUNT US   its customer
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "hog.hpp"

namespace hog {

Tally* tally = nullptr;

Tally* openTally(const char* path) {
  const int fd = path == nullptr ? -1 : open(path, O_RDWR | O_CREAT, 0644);
  if (fd < 0 || ftruncate(fd, sizeof(Tally)) != 0) return nullptr;
  void* memory = mmap(nullptr, sizeof(Tally), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  return memory == MAP_FAILED ? nullptr : static_cast<Tally*>(memory);
}

}  // namespace hog

int main(int argc, char** argv) {
  const auto is = [&](const char* word) { return argc > 1 && std::strcmp(argv[1], word) == 0; };
  const char* second = argc > 2 ? argv[2] : "";
  if (is("serve") && argc == 4) return hog::serve(second, argv[3]);
  if (is("ask") && argc == 5) return hog::ask(second, std::atoi(argv[3]), std::atoi(argv[4]));
  hog::tally = hog::openTally(std::getenv("HOG_TALLY"));
  if (hog::tally == nullptr) return std::perror("tally"), 1;
  if (is("processes")) return hog::processes();
  if (is("memory")) return hog::memory();
  if (is("tmpfs")) return hog::tmpfs(second);
  if (is("page-cache")) return hog::pageCache(second);
  if (is("disk")) return hog::disk(second);
  if (is("inodes")) return hog::inodes(second);
  if (is("log")) return hog::log();
  if (is("descriptors")) return hog::descriptors();
  if (is("processor")) return hog::processor();
  if (is("syncs")) return hog::syncs(second);
  return std::fprintf(stderr, "no such hog\n"), 2;
}
