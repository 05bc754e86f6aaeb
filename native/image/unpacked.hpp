// Unpacked copies of images, one directory a digest, for kernels and users that can't mount EROFS.
#pragma once

#include <cstdint>
#include <string>

#include "image/image.hpp"
#include "sys/result.hpp"

namespace lightv {

/**
 * Gives the directory of an image's unpacked tree below `unpackRoot`; makes it when it is not there. It has its name
 * only when it is whole and on the disk. Several processes may do this at once. For a user the image is verified
 * before: its digests are all that vouches for a file that anybody may have given him.
 */
Result<std::string> ensureUnpacked(int imageFd, std::uint64_t erofsSize, const std::string& digest,
                                   const std::string& unpackRoot, UnpackFor who);

/** Removes it, also when another user's ids own parts of it. Missing is fine; half of one is never left by its name. */
Status removeUnpacked(const std::string& unpackRoot, const std::string& digest);

}  // namespace lightv
