// Cohort's own log: one line each on stderr, "[cohort] warning: ...". COHORT_LOG sets the level
// (debug, info, warning, error, off); the default is warning.
#pragma once

#include <string_view>

namespace cohort {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// Any thread. Never throws, never blocks on anything but stderr.
void log(LogLevel level, std::string_view line) noexcept;

}  // namespace cohort
