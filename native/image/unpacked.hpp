// Unpacked copies of images, one directory a digest, for kernels that can't mount EROFS.
#pragma once

#include <cstdint>
#include <string>

#include "sys/result.hpp"

namespace lightv {

/**
 * Gives the directory of an image's unpacked tree below `unpackRoot`; makes it when it is not there. It has its name
 * only when it is whole and on the disk. Several processes may do this at once.
 */
Result<std::string> ensureUnpacked(int imageFd, std::uint64_t erofsSize, const std::string& digest,
                                   const std::string& unpackRoot);

}  // namespace lightv
