#include "launch/app_types.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include <elf.h>
#include <link.h>

namespace cohort {
namespace {

/// The linker's note NT_GNU_BUILD_ID of the running executable, in hex; "unknown" without one.
std::string build_id() {
  std::string id = "unknown";
  auto const visit = [](dl_phdr_info* object, std::size_t, void* out) -> int {
    for (int i = 0; i < object->dlpi_phnum; ++i) {
      auto const& segment = object->dlpi_phdr[i];
      if (segment.p_type != PT_NOTE) continue;
      auto const* at = reinterpret_cast<char const*>(object->dlpi_addr + segment.p_vaddr);
      auto const* const end = at + segment.p_memsz;
      while (at + sizeof(ElfW(Nhdr)) <= end) {
        ElfW(Nhdr) note;
        std::memcpy(&note, at, sizeof note);
        auto const* name = at + sizeof note;
        auto const* data = name + ((note.n_namesz + 3) & ~3U);
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
            std::memcmp(name, "GNU", 4) == 0) {
          auto& text = *static_cast<std::string*>(out);
          text.clear();
          for (unsigned k = 0; k < note.n_descsz; ++k) {
            constexpr char kHex[] = "0123456789abcdef";
            auto const byte = static_cast<unsigned char>(data[k]);
            text += kHex[byte >> 4];
            text += kHex[byte & 15];
          }
          return 1;
        }
        at = data + ((note.n_descsz + 3) & ~3U);
      }
    }
    return 1;  // the first object is the executable: look no further
  };
  ::dl_iterate_phdr(visit, &id);
  return id;
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
  return text + "build " + build_id() + '\n';
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
    if (a.starts_with("build ") && b.starts_with("build ")) {
      return "the functions are the same, but it is another build of the program (" +
             std::string(b) + ", here " + std::string(a) + ")";
    }
    return "it has \"" + std::string(b) + "\" where this program has \"" + std::string(a) + '"';
  }
  return "no difference";
}

}  // namespace cohort
