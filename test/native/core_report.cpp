// What a child tells its parent before it executes.
#include "core/report.hpp"

#include <doctest/doctest.h>

#include <cerrno>

namespace lightv {

TEST_CASE("what a child has said is heard, though it ended before it was told anything") {
  Fd parent;
  Fd child;
  REQUIRE(makeReportPair(parent, child).ok());
  // Never read: the kernel says so to the sender, and before it gives what the child has sent.
  REQUIRE(release(parent.get()).ok());
  Reporter(child.get()).warn("join cgroup", "cgroup.procs", EINVAL);
  child.reset();
  const ChildStory story = listenToChild(parent.get());
  REQUIRE(story.warnings.size() == 1);
  CHECK(story.warnings[0].find("join cgroup") != std::string::npos);
  CHECK_FALSE(story.ready);
}

}  // namespace lightv
