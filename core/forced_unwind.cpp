#include "core/forced_unwind.h"

namespace cohort {

void prepare_for_forced_unwind() {
  [[maybe_unused]] static bool const prepared = [] {
    try {
      throw true;
    } catch (bool const thrown) {
      return thrown;
    }
  }();
}

}  // namespace cohort
