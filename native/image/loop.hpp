// Loop devices, loop(4): a file as a block device that clears itself.
#pragma once

#include <string>

#include "sys/fd.hpp"
#include "sys/result.hpp"

namespace lightv {

struct LoopDevice {
  Fd fd;  // as long as this or a mount of it is there, so is the device
  std::string path;
};

enum class LoopUse { readOnly, writable };

/** Binds a free device to `file`: direct I/O where the file's system has it, autoclear. */
Result<LoopDevice> attachLoop(int file, LoopUse use = LoopUse::readOnly);

}  // namespace lightv
