// Texts that come out of files, as the reports show them. Names, units and messages may hold any
// bytes; what leaves the program is valid UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace cohort::stats {

/// The text as valid UTF-8. Bytes that are no UTF-8 are taken for Latin-1, as older files have them
/// ("°C" as two bytes); those that are no characters there become "\x9f".
[[nodiscard]] std::string utf8_text(std::string_view text);

/// At most `longest` bytes of a valid UTF-8 text, cut between two characters.
[[nodiscard]] std::string_view cut_text(std::string_view text, std::size_t longest);

/// The text with its lines after one another, " | " between them, and no other control characters.
[[nodiscard]] std::string one_line(std::string_view text);

/// utf8_text() for a terminal: control characters become '?'.
[[nodiscard]] std::string printable(std::string_view text);

/// Columns that a valid UTF-8 text takes on a terminal: two for East Asian and other wide
/// characters. Combining characters count as one.
[[nodiscard]] std::size_t columns_of(std::string_view text);

}  // namespace cohort::stats
