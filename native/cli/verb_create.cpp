#include <fcntl.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "cli/create_options.hpp"
#include "cli/created.hpp"
#include "cli/output.hpp"
#include "cli/verbs.hpp"
#include "entry/handover.hpp"
#include "sys/file.hpp"

namespace lightv::cli {

namespace {

/** The file of --cidfile, taken before anything is made: two runs with one file can't both go on. */
class IdFile {
 public:
  Status open(const std::string& path) {
    path_ = path;
    if (path.empty()) return {};
    Result<Fd> opened = openFile(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    if (!opened) return opened.error().wrap("make the file of --cidfile");
    file_ = std::move(*opened);
    return {};
  }
  /** With an empty id, because there is no sandbox, the file goes. */
  [[nodiscard]] Status keep(const std::string& id) const {
    if (!file_) return {};
    if (!id.empty()) return writeAll(file_.get(), id, path_);
    (void)::unlink(path_.c_str());
    return {};
  }

 private:
  std::string path_;
  Fd file_;
};

/** By a prepared sandbox; where the early entry has begun to talk with one, from there on. Absent: there is none. */
std::optional<PreparedStart> startPrepared(const Engine& engine, const CreateRequest& request,
                                           const StartOptions& options) {
  const entry::Handover left = std::exchange(entry::handover, {});
  if (left.begun == entry::Begun::nothing) return engine.startPrepared(request, options);
  return engine.joinPrepared({Fd(left.socket), left.id, left.pid}, options);
}

Begun createThenStart(const Engine& engine, CreateRequest request, const StartOptions& options) {
  const bool removeOnFailure = request.spec.autoRemove;
  Result<std::string> id = engine.create(std::move(request));
  if (!id) return {"", id.error()};
  Begun begun{*id, engine.start(*id, options)};
  if (!begun.started && removeOnFailure) (void)engine.remove(*id, true, false);
  return begun;
}

}  // namespace

Result<std::string> createSandbox(const Engine& engine, const Parsed& parsed, CreateRequest request) {
  IdFile file;
  if (Status opened = file.open(parsed.text("cidfile")); !opened) return opened.error();
  Result<std::string> id = engine.create(std::move(request));
  if (Status kept = file.keep(id ? *id : ""); !kept) return kept.error();
  return id;
}

Begun createAndStart(const Engine& engine, const Parsed& parsed, CreateRequest request, const StartOptions& options) {
  IdFile file;
  if (Status opened = file.open(parsed.text("cidfile")); !opened) return {"", opened.error()};
  std::optional<PreparedStart> prepared = startPrepared(engine, request, options);
  Begun begun = prepared ? Begun{std::move(prepared->id), std::move(prepared->started)}
                         : createThenStart(engine, std::move(request), options);
  if (Status kept = file.keep(begun.id); !kept && begun.started) begun.started = kept.error();
  return begun;
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
