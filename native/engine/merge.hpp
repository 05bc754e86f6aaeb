// A request and an image's own configuration become one Spec, as `docker create` merges them. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.hpp"

namespace lightv {

/** What the machine and chance add to a request. */
struct MergeContext {
  std::string id, created;
  std::string root;                       // where volumes lie
  std::string hostHostname;               // with the host's network a sandbox has the host's name
  std::string cgroupParent;               // for a request that names none; empty: the Spec's own default
  std::vector<std::string> freshVolumes;  // names for anonymous volumes, enough of them
  bool rootless = false;                  // for an ordinary user
};

/** How many anonymous volumes mergeImage() will name. */
std::size_t countAnonymousVolumes(const CreateRequest& request, const ImageConfig& image);

/** Everything but name, imagePath and the range of ids. EINVAL tells what of the request makes no sense. */
Result<Spec> mergeImage(CreateRequest request, const ImageInfo& image, const MergeContext& context);

/** `base` with each of `over` put over the entry of the same key; "KEY" without "=" takes the key away. */
std::vector<std::string> mergeEnv(const std::vector<std::string>& base, const std::vector<std::string>& over);

/** GOARCH name of this machine's architecture, from uname(2)'s. */
std::string goArchitecture(std::string_view machine);

}  // namespace lightv
