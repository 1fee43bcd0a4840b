#include "jobs/stats/number.h"

#include <fmt/format.h>

namespace cohort::stats {

double Number::to_double() const noexcept {
  switch (kind_) {
    case ElementKind::kInt64:
      return static_cast<double>(as_int64());
    case ElementKind::kUint64:
      return static_cast<double>(as_uint64());
    default:
      return as_double();
  }
}

std::string Number::to_string() const {
  switch (kind_) {
    case ElementKind::kInt64:
      return fmt::format("{}", as_int64());
    case ElementKind::kUint64:
      return fmt::format("{}", as_uint64());
    default:
      return fmt::format("{:.7g}", as_double());
  }
}

bool Number::operator<(Number const& other) const noexcept {
  switch (kind_) {
    case ElementKind::kInt64:
      return as_int64() < other.as_int64();
    case ElementKind::kUint64:
      return as_uint64() < other.as_uint64();
    default:
      return as_double() < other.as_double();
  }
}

}  // namespace cohort::stats
