// Where the files of a sandbox lie: docs/sandbox.md, "A sandbox on disk and at run time". Names only, nothing is
// touched.
#pragma once

#include <string>
#include <utility>

namespace lightv {

struct Paths {
  std::string root = "/var/lib/lightv";
  std::string run = "/run/lightv";
  bool rootless = false;  // they are an ordinary user's (docs/rootless.md)
};

/** The paths that belong to one sandbox. */
class SandboxFiles {
 public:
  SandboxFiles(Paths paths, std::string id) : paths_(std::move(paths)), id_(std::move(id)) {}

  [[nodiscard]] const Paths& paths() const { return paths_; }
  [[nodiscard]] const std::string& id() const { return id_; }

  [[nodiscard]] std::string directory() const { return paths_.root + "/sandboxes/" + id_; }
  /** What create() fills before it renames it to directory(). */
  [[nodiscard]] std::string newDirectory() const { return paths_.root + "/sandboxes/.new-" + id_; }
  /** What remove() renames directory() to before it deletes it. */
  [[nodiscard]] std::string goneDirectory() const { return paths_.root + "/sandboxes/.gone-" + id_; }
  [[nodiscard]] std::string config() const { return directory() + "/config.json"; }
  [[nodiscard]] std::string exit() const { return directory() + "/exit.json"; }
  [[nodiscard]] std::string started() const { return directory() + "/started.json"; }
  [[nodiscard]] std::string logDirectory() const { return directory() + "/log"; }
  [[nodiscard]] std::string upper() const { return directory() + "/upper"; }
  [[nodiscard]] std::string work() const { return directory() + "/work"; }

  [[nodiscard]] std::string runDirectory() const { return paths_.run + "/sandboxes/" + id_; }
  [[nodiscard]] std::string state() const { return runDirectory() + "/state.json"; }
  [[nodiscard]] std::string lock() const { return runDirectory() + "/lock"; }
  [[nodiscard]] std::string socket() const { return runDirectory() + "/ctl.sock"; }

  [[nodiscard]] std::string unpackRoot() const { return paths_.root + "/unpacked"; }
  [[nodiscard]] std::string nameLink(const std::string& name) const { return paths_.root + "/names/" + name; }

 private:
  Paths paths_;
  std::string id_;
};

}  // namespace lightv
