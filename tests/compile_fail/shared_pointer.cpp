// A shared_ptr does not travel; a unique_ptr does.
#include <memory>

#include "core/archive.h"

#ifdef COHORT_CONTROL
using Pointer = std::unique_ptr<double>;
#else
using Pointer = std::shared_ptr<double>;
#endif

Pointer receive(std::span<std::byte const> bytes) { return cohort::decode<Pointer>(bytes); }
