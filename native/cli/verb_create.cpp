#include <fcntl.h>

#include "cli/create_options.hpp"
#include "cli/created.hpp"
#include "cli/output.hpp"
#include "cli/verbs.hpp"
#include "sys/file.hpp"

namespace lightv::cli {

Result<std::string> createSandbox(const Engine& engine, const Parsed& parsed, CreateRequest request) {
  const std::string idFile = parsed.text("cidfile");
  Fd file;
  if (!idFile.empty()) {
    // Taken before anything is made: two runs with one file can't both go on.
    Result<Fd> opened = openFile(idFile, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (!opened) return opened.error().wrap("make the file of --cidfile");
    file = std::move(*opened);
  }
  Result<std::string> id = engine.create(std::move(request));
  if (!file) return id;
  if (!id) {
    (void)::unlink(idFile.c_str());
    return id;
  }
  if (Status status = writeAll(file.get(), *id, idFile); !status) return status.error();
  return id;
}

namespace {

int runCreate(const Engine& engine, const Parsed& parsed) {
  Result<CreateOptions> options = createOptions(parsed);
  if (!options) return fail(parsed, options.error(), kEngineFailed);
  const Result<std::string> id = createSandbox(engine, parsed, std::move(options->request));
  if (!id) return fail(parsed, id.error(), kEngineFailed);
  print(*id + "\n");
  return 0;
}

}  // namespace

constinit const Verb kCreate = {.name = "create",
                                .group = Group::manage,
                                .usage = "[OPTIONS] IMAGE [COMMAND] [ARG...]",
                                .summary = "Make a sandbox without starting it",
                                .flags =
                                    [] {
                                      return FlagTables{createFlags(), limitFlags()};
                                    },
                                .minArgs = 1,
                                .maxArgs = kMany,
                                .offer = Offer::image,
                                .commandFollows = true,
                                .run = runCreate};

}  // namespace lightv::cli
