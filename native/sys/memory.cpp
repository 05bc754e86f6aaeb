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

}  // namespace

std::size_t releaseProgram() {
  std::size_t released = 0;
  (void)dl_iterate_phdr(releaseObject, &released);
  return released;
}

void releaseMemory() {
  (void)malloc_trim(0);
  (void)releaseProgram();
}

}  // namespace lightv
