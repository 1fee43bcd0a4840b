#include "jobs/stats/text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

namespace cohort::stats {
namespace {

/// Bytes of the well-formed character that the text begins with (RFC 3629), 0 where there is none.
std::size_t character_size(std::string_view text) {
  auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.empty()) return 0;
  unsigned const lead = byte(0);
  if (lead < 0x80) return 1;
  std::size_t const size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  bool const overlong = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xf0 && byte(1) < 0x90);
  bool const surrogate = lead == 0xed && byte(1) >= 0xa0;
  bool const too_high = lead == 0xf4 && byte(1) >= 0x90;
  return overlong || surrogate || too_high ? 0 : size;
}

/// Of a well-formed character.
std::uint32_t code_point(std::string_view character) {
  static constexpr std::array<std::uint32_t, 5> kLeadBits{0, 0x7f, 0x1f, 0x0f, 0x07};
  std::uint32_t code = static_cast<unsigned char>(character[0]) & kLeadBits[character.size()];
  for (char const c : character.substr(1))
    code = code << 6 | (static_cast<unsigned char>(c) & 0x3f);
  return code;
}

bool is_wide(std::uint32_t code) {
  static constexpr std::array<std::pair<std::uint32_t, std::uint32_t>, 9> kWide{
      {{0x1100, 0x115f},
       {0x2e80, 0xa4cf},
       {0xac00, 0xd7a3},
       {0xf900, 0xfaff},
       {0xfe30, 0xfe6f},
       {0xff00, 0xff60},
       {0xffe0, 0xffe6},
       {0x1f300, 0x1faff},
       {0x20000, 0x3fffd}}};
  return std::any_of(kWide.begin(), kWide.end(), [&](auto const& range) {
    return code >= range.first && code <= range.second;
  });
}

bool is_control(char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }

}  // namespace

std::string utf8_text(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    std::size_t const size = character_size(text);
    if (size > 0) {
      valid += text.substr(0, size);
    } else if (unsigned const byte = static_cast<unsigned char>(text[0]); byte < 0xa0) {
      valid += fmt::format("\\x{:02x}", byte);
    } else {
      valid += static_cast<char>(0xc0 | byte >> 6);
      valid += static_cast<char>(0x80 | (byte & 0x3f));
    }
    text.remove_prefix(std::max<std::size_t>(1, size));
  }
  return valid;
}

std::string_view cut_text(std::string_view text, std::size_t longest) {
  if (text.size() <= longest) return text;
  while (longest > 0 && (static_cast<unsigned char>(text[longest]) & 0xc0) == 0x80) --longest;
  return text.substr(0, longest);
}

std::string one_line(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    auto const end = std::min(text.find_first_of("\n\r"), text.size());
    auto const part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (part.empty()) continue;
    if (!line.empty()) line += " | ";
    for (char const c : part) line += is_control(c) ? ' ' : c;
  }
  return line;
}

std::string printable(std::string_view text) {
  std::string shown = utf8_text(text);
  std::replace_if(shown.begin(), shown.end(), is_control, '?');
  // The C1 control characters, which terminals obey too.
  for (std::size_t at = 0; (at = shown.find('\xc2', at)) != std::string::npos; ++at) {
    if (static_cast<unsigned char>(shown[at + 1]) < 0xa0) shown.replace(at, 2, "?");
  }
  return shown;
}

std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    std::size_t const size = std::max<std::size_t>(1, character_size(text));
    columns += is_wide(code_point(text.substr(0, size))) ? 2 : 1;
    text.remove_prefix(size);
  }
  return columns;
}

}  // namespace cohort::stats
