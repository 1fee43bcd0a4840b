#include "launch/app_types.h"

#include <algorithm>
#include <vector>

#include "launch/executable_identity.h"

namespace cohort {
namespace {

/// Whether the line of a listing is its last one, which executable_identity() gives.
bool names_the_build(std::string_view line) {
  return line.starts_with("build ") || line.starts_with("executable ");
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    auto const end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text = end == text.npos ? std::string_view() : text.substr(end + 1);
  }
  return lines;
}

}  // namespace

std::string describe(AppTypes types) {
  std::string text;
  std::size_t type_id = 0;
  for (auto const& type : types) {
    text += "worker type " + std::to_string(type_id++) + ": " + std::string(type.name) + ", init " +
            std::string(type.init) + '\n';
    std::size_t function_id = 0;
    for (auto const& function : type.functions) {
      text += "function " + std::to_string(function_id++) + " of " + std::string(type.name) + ": " +
              readable_signature(function.signature) + '\n';
    }
  }
  return text + executable_identity() + '\n';
}

Digest fingerprint(std::string_view description) {
  return hash(std::as_bytes(std::span(description.data(), description.size())));
}

std::string first_difference(std::string_view ours, std::string_view theirs) {
  auto const here = lines_of(ours);
  auto const there = lines_of(theirs);
  for (std::size_t i = 0; i < std::max(here.size(), there.size()); ++i) {
    auto const a = i < here.size() ? here[i] : std::string_view("nothing more");
    auto const b = i < there.size() ? there[i] : std::string_view("nothing more");
    if (a == b) continue;
    if (names_the_build(a) && names_the_build(b)) {
      return "the functions are the same, but it is another build of the program (" +
             std::string(b) + ", here " + std::string(a) + ")";
    }
    return "it has \"" + std::string(b) + "\" where this program has \"" + std::string(a) + '"';
  }
  return "no difference";
}

}  // namespace cohort
