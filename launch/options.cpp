#include "launch/options.h"

#include <array>
#include <charconv>
#include <stdexcept>
#include <string_view>
#include <utility>

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

std::filesystem::path path_for(std::filesystem::path const& path, OutputOwner const& owner) {
  auto const& text = path.native();
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    switch (++i < text.size() ? text[i] : '\0') {
      case 'i':
        result += std::to_string(owner.index);
        break;
      case 'w':
        result += owner.id.to_string();
        break;
      case 'h':
        result += owner.host;
        break;
      case '%':
        result += '%';
        break;
      default:
        throw std::invalid_argument(
            '"' + text + "\": \"" + text.substr(i - 1, 2) +
            "\" means nothing: a path has %i (index), %w (the worker's number), %h (host) and %%");
    }
  }
  return result;
}

namespace {

void check_path(char const* name, Redirect const& redirect) {
  try {
    static_cast<void>(path_for(redirect.path, {}));
  } catch (std::invalid_argument const& error) {
    throw std::invalid_argument(std::string("SpawnOptions::") + name + ": " + error.what());
  }
}

}  // namespace

void check(SpawnOptions const& options) {
  check_path("redirect_stdout", options.redirect_stdout);
  check_path("redirect_stderr", options.redirect_stderr);
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

void check_without_pipes(SpawnOptions const& options) {
  check(options);
  if (options.redirect_stdout.mode == Redirect::Mode::kPipe ||
      options.redirect_stderr.mode == Redirect::Mode::kPipe) {
    throw std::invalid_argument(
        "SpawnOptions::redirect_...: nobody would read the pipe, and the worker would wait for "
        "ever once it is full; spawn_in_foreground hands it to its caller");
  }
}

void check_for_foreground(SpawnOptions const& options) {
  check(options);
  constexpr auto kUnset = Redirect::Mode::kForward;
  if (options.redirect_stdout.mode != kUnset || options.redirect_stderr.mode != kUnset) {
    throw std::invalid_argument(
        "SpawnOptions::redirect_...: spawn_in_foreground hands the worker's output to its caller; "
        "leave them as they are, or use spawn_one");
  }
}

void check_for_serve(SpawnOptions const& options) {
  check(options);
  SpawnOptions const unset;
  auto const refuse_unless = [](bool unchanged, char const* name) {
    if (unchanged) return;
    throw std::invalid_argument(std::string("cohort::serve: SpawnOptions::") + name +
                                " is of a process; a worker in this one has none of its own");
  };
  refuse_unless(options.count <= 1, "count");
  refuse_unless(options.spawn_timeout == unset.spawn_timeout, "spawn_timeout");
  refuse_unless(options.shutdown_on == unset.shutdown_on, "shutdown_on");
  refuse_unless(options.environment.empty(), "environment");
  refuse_unless(options.directory.empty(), "directory");
  refuse_unless(!options.umask, "umask");
  refuse_unless(options.wrap.empty(), "wrap");
  refuse_unless(options.executable.empty(), "executable");
  refuse_unless(options.redirect_stdout.mode == unset.redirect_stdout.mode, "redirect_stdout");
  refuse_unless(options.redirect_stderr.mode == unset.redirect_stderr.mode, "redirect_stderr");
}

WorkersChoice parse_workers(std::string const& text) {
  constexpr std::uint32_t kMost = 100'000;
  if (text == "ranks") return {Launcher::kRanks, 0};
  std::string_view number = text;
  auto launcher = Launcher::kLocal;
  for (auto const& [name, named] :
       {std::pair<std::string_view, Launcher>("local", Launcher::kLocal),
        {"mpi", Launcher::kMpi}}) {
    if (number == name) return {named, usable_cores()};
    if (!number.starts_with(name) || number[name.size()] != ':') continue;
    number.remove_prefix(name.size() + 1);
    launcher = named;
    break;
  }
  std::uint32_t workers = 0;
  auto const [stop, error] = std::from_chars(number.data(), number.data() + number.size(), workers);
  if (error != std::errc{} || stop != number.data() + number.size() || workers == 0 ||
      workers > kMost) {
    throw std::invalid_argument("--workers " + text +
                                ": expected local (one per core), local:N, N, mpi, mpi:N or "
                                "ranks, with N from 1 to " +
                                std::to_string(kMost));
  }
  return {launcher, workers};
}

MpiOptions::Fabric parse_fabric(std::string const& text) {
  if (text == "ob1") return MpiOptions::Fabric::kOb1;
  if (text == "ucx") return MpiOptions::Fabric::kUcx;
  throw std::invalid_argument("--mpi-fabric " + text + ": expected ob1 or ucx");
}

Transport parse_transport(std::string const& text) {
  if (text == "unix") return Transport::kUnix;
  if (text == "tcp") return Transport::kTcp;
  throw std::invalid_argument("--transport " + text + ": expected unix or tcp");
}

}  // namespace cohort
