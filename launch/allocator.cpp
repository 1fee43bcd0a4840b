#include "launch/allocator.h"

#include <cstdlib>
#include <initializer_list>

#include <malloc.h>

namespace cohort {

void keep_freed_memory() noexcept {
  constexpr int kKeep = 1 << 30;
  for (char const* variable :
       {"MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"}) {
    if (std::getenv(variable) != nullptr) return;
  }
  ::mallopt(M_MMAP_THRESHOLD, kKeep);
  ::mallopt(M_TRIM_THRESHOLD, kKeep);
}

}  // namespace cohort
