#include "core/function.h"

namespace cohort {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (auto at = text.find(from); at != text.npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

}  // namespace

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
  auto text = std::string(type.substr(0, open));
  text += name;
  text += type.substr(star + 4);
  replace_all(text, "std::__cxx11::basic_string<char>", "std::string");
  return text;
}

}  // namespace cohort
