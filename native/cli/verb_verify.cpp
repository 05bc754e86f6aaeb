#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "cli/output.hpp"
#include "cli/terminal.hpp"
#include "cli/units.hpp"
#include "cli/verbs.hpp"
#include "sys/file.hpp"
#include "sys/time.hpp"

namespace lightv::cli {

namespace {

constexpr Flag kVerifyFlags[] = {
    {.name = "quiet", .letter = 'q', .help = "No progress bar, and say nothing when all is well"}};

struct Bar {
  bool shown = false;
  std::uint64_t drawnUs = 0;
};

bool drawBar(void* context, std::uint64_t done, std::uint64_t total) {
  auto& bar = *static_cast<Bar*>(context);
  constexpr std::uint64_t interval = 100'000, hundred = 100;
  const std::uint64_t now = monotonicUs();
  if (!bar.shown || total == 0 || (now - bar.drawnUs < interval && done != total)) return true;
  bar.drawnUs = now;
  constexpr unsigned text = 40, most = 50;  // columns for numbers; a longer bar tells no more
  const unsigned width =
      std::min(terminalWidth(STDERR_FILENO) > text + 10 ? terminalWidth(STDERR_FILENO) - text : 10, most);
  const auto filled = static_cast<std::size_t>(done * width / total);
  std::string line = "\r[" + std::string(filled, '=') + std::string(width - filled, ' ') + "] ";
  line += std::to_string(done * hundred / total) + "% of " + decimalSize(total) + "\x1b[K";
  (void)writeAll(STDERR_FILENO, line, "stderr");
  return true;
}

Status verifyOne(const Engine& engine, const std::string& name, bool quiet) {
  const ImageStore store = engine.images();
  std::string path;
  const Result<ImageInfo> found = store.resolve(name, path);
  if (!found) return found.error();
  const Result<Fd> file = openFile(path, O_RDONLY);
  if (!file) return file.error();
  Bar bar{.shown = !quiet && isTerminal(STDERR_FILENO)};
  const Result<ImageInfo> image = verifyImage(file->get(), drawBar, &bar);
  if (bar.shown) (void)writeAll(STDERR_FILENO, "\r\x1b[K", "stderr");
  if (!image) return image.error();
  if (!quiet) {
    print(name + ": verified " + std::to_string(image->chunkCount) + " chunks, " + decimalSize(image->fileSize) + ", " +
          image->digest + "\n");
  }
  return {};
}

int runVerify(const Engine& engine, const Parsed& parsed) {
  int code = 0;
  for (const std::string& name : parsed.args) {
    if (Status status = verifyOne(engine, name, parsed.on("quiet")); !status) code = fail(parsed, status.error());
  }
  return code;
}

}  // namespace

constinit const Verb kVerify = {.name = "verify",
                                .group = Group::image,
                                .usage = "[OPTIONS] IMAGE|FILE [IMAGE|FILE...]",
                                .summary = "Read images whole and check every byte",
                                .flags = [] { return FlagTables{kVerifyFlags}; },
                                .minArgs = 1,
                                .maxArgs = kMany,
                                .offer = Offer::image,
                                .run = runVerify};

}  // namespace lightv::cli
