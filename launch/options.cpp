#include "launch/options.h"

#include <array>
#include <charconv>
#include <stdexcept>

#include <sched.h>
#include <unistd.h>

namespace cohort {

std::uint32_t usable_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (::sched_getaffinity(0, sizeof cores, &cores) != 0) return 1;
  return static_cast<std::uint32_t>(CPU_COUNT(&cores));
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

void check(SpawnOptions const& options) {
  for (auto const& [name, value] : options.environment) {
    if (name.empty() || name.find('=') != name.npos || name.find('\0') != name.npos ||
        value.find('\0') != value.npos) {
      throw std::invalid_argument("SpawnOptions::environment: \"" + name +
                                  "\" is not a variable's name, or its value holds a zero byte");
    }
    if (name.starts_with("COHORT_")) {
      throw std::invalid_argument("SpawnOptions::environment: " + name +
                                  " is cohort's own: use SpawnOptions::settings");
    }
  }
  std::error_code error;
  if (!options.directory.empty() && !std::filesystem::is_directory(options.directory, error)) {
    throw std::invalid_argument("SpawnOptions::directory: " + options.directory.string() +
                                " is not a directory");
  }
}

std::uint32_t parse_workers(std::string const& text) {
  constexpr std::uint32_t kMost = 100'000;
  std::string_view number = text;
  if (number == "local") return usable_cores();
  if (number.starts_with("local:")) number.remove_prefix(6);
  std::uint32_t workers = 0;
  auto const [stop, error] = std::from_chars(number.data(), number.data() + number.size(), workers);
  if (error != std::errc{} || stop != number.data() + number.size() || workers == 0 ||
      workers > kMost) {
    throw std::invalid_argument("--workers " + text +
                                ": expected local (one per core), local:N or N, with N from 1 to " +
                                std::to_string(kMost));
  }
  return workers;
}

Transport parse_transport(std::string const& text) {
  if (text == "unix") return Transport::kUnix;
  if (text == "tcp") return Transport::kTcp;
  throw std::invalid_argument("--transport " + text + ": expected unix or tcp");
}

}  // namespace cohort
