// vfork(2) for more than the execution of a program.
#pragma once

#include <sys/types.h>

namespace lightv::sys {

/**
 * Runs `child` in a process that has this thread's memory, while this thread waits until it executes or ends: its pid,
 * or -1 with errno. The child has descriptors, signal handlers, credentials and namespaces of its own; errno is shared.
 * It must not allocate, nor take a lock, and tells by its exit code or through `context`.
 */
pid_t vforkCall(void (*child)(void* context), void* context);

}  // namespace lightv::sys
