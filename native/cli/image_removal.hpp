// Taking images and names out of the store, safe against sandboxes that are just being made.
#pragma once

#include "cli/command.hpp"

namespace lightv::cli {

/** Removes a name, and the image when it was its last; prints what it did. `force`: a name also from an image in use.
 */
Status removeImageByName(const Engine& engine, const std::string& name, bool force);
/** Removes the images that have no name and no sandbox. Returns the bytes that this freed. */
Result<std::uint64_t> pruneImages(const Engine& engine);

}  // namespace lightv::cli
