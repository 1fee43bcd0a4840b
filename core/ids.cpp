#include "core/ids.h"

namespace cohort {

std::string WorkerId::to_string() const {
  if (path_.empty()) return "master";
  std::string text;
  for (auto step : path_) {
    if (!text.empty()) text += '.';
    text += std::to_string(step);
  }
  return text;
}

}  // namespace cohort
