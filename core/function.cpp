#include "core/function.h"

namespace cohort {

std::string readable_signature(std::string_view signature) {
  // "&Summer::sum; Pointer = double (Summer::*)(int)", with a comma where clang wrote it.
  constexpr std::string_view kPointer = " Pointer = ";
  auto const separator = signature.find(kPointer);
  if (separator == signature.npos || separator < 2 || signature.front() != '&') {
    return std::string(signature);
  }
  auto const name = signature.substr(1, separator - 2);
  auto const type = signature.substr(separator + kPointer.size());
  auto const star = type.find("::*)");
  if (star == type.npos) return std::string(signature);
  auto const open = type.rfind('(', star);
  return std::string(type.substr(0, open)) + std::string(name) + std::string(type.substr(star + 4));
}

}  // namespace cohort
