// A listening socket that the service manager made: sd_listen_fds(3).
#pragma once

#include "sys/fd.hpp"

namespace lightv {

/** The first socket passed to this process, invalid when there is none. Close-on-exec from then on. */
Fd passedListener();

}  // namespace lightv
