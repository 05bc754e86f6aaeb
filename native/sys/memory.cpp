#include "sys/memory.hpp"

#include <link.h>
#include <malloc.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace lightv {
namespace {

/** The loader has written into segments that are read-only now: their pages can't come back from the file. */
bool hasTextRelocations(const dl_phdr_info& object) {
  for (ElfW(Half) i = 0; i < object.dlpi_phnum; i++) {
    const ElfW(Phdr)& header = object.dlpi_phdr[i];
    if (header.p_type != PT_DYNAMIC) continue;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the loader says where it lies
    const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(object.dlpi_addr + header.p_vaddr);
    for (; entry->d_tag != DT_NULL; entry++) {
      if (entry->d_tag == DT_TEXTREL) return true;
      if (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0) return true;
    }
  }
  return false;
}

/** Under the loader's lock, so that no object can go meanwhile. Never a writable segment, of which RELRO is a part. */
int releaseObject(dl_phdr_info* object, std::size_t /*size*/, void* context) {
  if (object->dlpi_phdr == nullptr || hasTextRelocations(*object)) return 0;
  const std::uintptr_t vdso = getauxval(AT_SYSINFO_EHDR);
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  for (ElfW(Half) i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr)& header = object->dlpi_phdr[i];
    if (header.p_type != PT_LOAD || (header.p_flags & PF_W) != 0) continue;
    const std::uintptr_t begin = (object->dlpi_addr + header.p_vaddr) & ~(page - 1);
    const std::uintptr_t end = (object->dlpi_addr + header.p_vaddr + header.p_memsz + page - 1) & ~(page - 1);
    // The kernel's own object comes from no file.
    if (begin <= vdso && vdso < end) continue;
    // NOLINTNEXTLINE(performance-no-int-to-ptr)
    if (madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED) == 0) {
      *static_cast<std::size_t*>(context) += end - begin;
    }
  }
  return 0;
}

std::uintptr_t pageSize() {
  return static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
}

void releaseRange(std::uintptr_t begin, std::uintptr_t end) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  if (begin < end) (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

/** Is this address in the main thread's stack? The kernel puts the bytes of AT_RANDOM at its top, right below the
 * command line (fs/binfmt_elf.c, create_elf_tables). */
bool isOnMainStack(std::uintptr_t address, std::uintptr_t top) {
  constexpr std::uintptr_t kDeepest = 1U << 20;
  return address < top && top - address < kDeepest;
}

/** Below it is what calls have left that have returned. A page more stays: signal handlers, and the red zone. */
void releaseDeeperStack() {
  constexpr std::uintptr_t kReach = 1U << 19;  // the gap below the stack is much wider (Documentation/mm, mmap_base)
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  if (!isOnMainStack(here, getauxval(AT_RANDOM))) return;
  const std::uintptr_t end = (here & ~(pageSize() - 1)) - pageSize();
  releaseRange(end - kReach, end);
}

}  // namespace

std::size_t releaseProgram() {
  std::size_t released = 0;
  (void)dl_iterate_phdr(releaseObject, &released);
  return released;
}

void releaseMemory() {
  (void)malloc_trim(0);
  (void)releaseProgram();
  releaseDeeperStack();
}

void releaseCallers() {
  const std::uintptr_t page = pageSize();
  const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  const std::uintptr_t top = getauxval(AT_RANDOM);
  // A static program has its thread-local variables at the beginning of the heap (glibc, csu/libc-tls.c).
  const auto threadLocal = reinterpret_cast<std::uintptr_t>(__builtin_thread_pointer());
  const auto heapEnd = reinterpret_cast<std::uintptr_t>(sbrk(0));
  constexpr std::uintptr_t kLargest = 64U << 20;
  const std::uintptr_t heap = (threadLocal + 2 * page - 1) & ~(page - 1);
  const bool inHeap = threadLocal < heapEnd && heapEnd - threadLocal < kLargest;
  if (inHeap) releaseRange(heap, heapEnd & ~(page - 1));
  releaseDeeperStack();
  // The caller's own frame is in the page of this one, or begins in the next.
  if (isOnMainStack(here, top)) releaseRange(((here + page - 1) & ~(page - 1)) + page, top & ~(page - 1));
}

}  // namespace lightv
