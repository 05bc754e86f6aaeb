// Sandboxes and images in Docker's words and shapes.
#pragma once

#include <cstdint>
#include <string>

#include "engine/engine.hpp"
#include "image/image.hpp"

namespace lightv::cli {

/** The first 12 digits of an id or a digest, without "sha256:". */
std::string shortId(std::string_view id);
/** "Up 3 minutes (Paused)", "Exited (0) 2 hours ago", "Created", "Restarting (1) 5 seconds ago"; `now` in seconds since
 * 1970. */
std::string statusText(const SandboxInfo& info, std::int64_t now);
/** What it executes, as one line. */
std::string commandLine(const Spec& spec);
/** "a=1,b=2" */
std::string labelList(const std::map<std::string, std::string>& labels);

/** The object that `inspect` shows. */
std::string inspectSandbox(const Engine& engine, const SandboxInfo& info);
std::string inspectImage(const ImageInfo& image, const std::vector<std::string>& names);

}  // namespace lightv::cli
