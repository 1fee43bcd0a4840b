#include "launch/log.h"

#include <cstdlib>
#include <memory>
#include <string>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace cohort {
namespace {

spdlog::logger make_logger() {
  spdlog::logger logger("cohort", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger.set_pattern("[%n] %l: %v");
  char const* level = std::getenv("COHORT_LOG");
  logger.set_level(level != nullptr ? spdlog::level::from_str(level) : spdlog::level::warn);
  return logger;
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

void log(LogLevel level, std::string_view line) noexcept {
  try {
    static spdlog::logger logger = make_logger();
    logger.log(to_spdlog(level), "{}", line);
  } catch (...) {
    // A log that cannot be written must not end the program that it reports on.
  }
}

}  // namespace cohort
