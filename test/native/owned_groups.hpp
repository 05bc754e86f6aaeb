// A process in cgroups that somebody owns, as a service's are.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/cgroup_tree.hpp"
#include "sys/file.hpp"

namespace enginetest {

/**
 * Moves the calling thread to `path` in every hierarchy, until leave(). Monitors that it starts move on to their own
 * group, by which a test finds all of them: from the root they would not, as nobody owns that.
 */
class OwnedGroups {
 public:
  explicit OwnedGroups(std::string path) : path_(std::move(path)) {
    const lightv::Result<std::string> membership = lightv::readFile("/proc/self/cgroup");
    REQUIRE(membership.ok());
    std::vector<std::string> warnings;
    for (const lightv::CgroupHierarchy& hierarchy : lightv::findCgroupHierarchies()) {
      REQUIRE(lightv::makeCgroup(hierarchy, path_, warnings).ok());
      move(hierarchy, path_);
      before_.emplace_back(hierarchy, lightv::ownCgroup(*membership, hierarchy));
    }
  }
  OwnedGroups(const OwnedGroups&) = delete;
  OwnedGroups& operator=(const OwnedGroups&) = delete;
  ~OwnedGroups() { leave(); }

  void leave() {
    for (const auto& [hierarchy, path] : before_) {
      move(hierarchy, path);
      CHECK(lightv::removeCgroup(hierarchy.mount + path_).ok());
    }
    before_.clear();
  }

 private:
  static void move(const lightv::CgroupHierarchy& hierarchy, const std::string& path) {
    CHECK(lightv::writeControlFile(hierarchy.mount + path + "/" + lightv::selfJoinFile(hierarchy), "0").ok());
  }
  std::string path_;
  std::vector<std::pair<lightv::CgroupHierarchy, std::string>> before_;
};

}  // namespace enginetest
