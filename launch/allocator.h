// How this process's malloc treats big blocks.
#pragma once

namespace cohort {

/// Lets malloc keep big blocks that were freed and use them again, rather than return them to the
/// kernel at once: the pages of a new 128 MiB block cost more than the transfer of its contents.
/// The process keeps its peak of memory, up to 1 GiB. Does nothing where the user tuned malloc
/// himself (MALLOC_TRIM_THRESHOLD_, MALLOC_MMAP_THRESHOLD_ or GLIBC_TUNABLES are set).
void keep_freed_memory() noexcept;

}  // namespace cohort
