// What the launch tests share: bounded waits, looks at processes and descriptors, child programs.
// Everything here is about the machine; the worker types are in workers.h.
#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/types.h>

#include "core/error.h"
#include "launch/cluster.h"
#include "launch/options.h"

namespace launch_test {

using namespace std::chrono_literals;
using cohort::Clock;
using cohort::Error;
using cohort::ErrorKind;

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kAsan = true;
#else
inline constexpr bool kAsan = false;
#endif
#if defined(__SANITIZE_THREAD__)
inline constexpr bool kTsan = true;
#else
inline constexpr bool kTsan = false;
#endif
inline constexpr bool kSanitized = kAsan || kTsan;

/// Longer than anything takes that works, also on a loaded machine under a sanitizer.
inline constexpr auto kBound = 30s;

/// Looks until the condition holds; false when it did not within the bound.
template <class Condition>
[[nodiscard]] bool eventually(Condition condition, Clock::duration bound = kBound) {
  auto const end = Clock::now() + bound;
  while (!condition()) {
    if (Clock::now() > end) return condition();
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

/// The Error that the function throws; a test failure, and a made-up one, where it throws none.
template <class Function>
[[nodiscard]] Error error_of(Function&& function) {
  try {
    function();
  } catch (Error const& error) {
    return error;
  }
  ADD_FAILURE() << "no error was thrown";
  return Error(ErrorKind::kProtocol, "no error was thrown");
}

/// For gtest's messages: EXPECT_TRUE(contains(text, part)).
[[nodiscard]] testing::AssertionResult contains(std::string const& text, std::string const& part);

/// How often the part, which is not empty, is in the text.
[[nodiscard]] std::size_t occurrences(std::string_view part, std::string_view text);

/// What on_failure was told.
class Failures {
 public:
  [[nodiscard]] std::function<void(Error const&)> listener();
  /// The first one; a test failure where none came within the bound.
  [[nodiscard]] Error wait_for_first();
  [[nodiscard]] std::size_t count() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable told_;
  std::vector<Error> errors_;
};

/// What a process holds that must be back when everything ended.
struct Holdings {
  std::set<std::string> descriptors;  ///< "7 -> socket:[123]"
  std::set<pid_t> children;
  bool operator==(Holdings const&) const = default;
  [[nodiscard]] static Holdings now();
};
/// Waits until the process holds what it held before, or less where it `may_lack` descriptors; says
/// what is left over or lost.
[[nodiscard]] testing::AssertionResult nothing_is_left(Holdings const& before,
                                                       bool may_lack = false);

/// True once no such process runs (a zombie that its reaper has not collected does not).
[[nodiscard]] bool is_gone(pid_t pid);

/// What /proc says of a process; 0 where it is gone.
[[nodiscard]] std::uint64_t resident_bytes(pid_t pid);
[[nodiscard]] std::uint64_t cpu_ticks(pid_t pid);
[[nodiscard]] std::vector<pid_t> children_of(pid_t pid);
[[nodiscard]] std::vector<pid_t> descendants_of(pid_t pid);
/// Whether it was started with that variable.
[[nodiscard]] bool has_variable(pid_t pid, std::string const& name);
[[nodiscard]] std::size_t descriptors_of(pid_t pid);
/// Waits until the process has used no processor for a while; false where it does not rest.
[[nodiscard]] bool rests(pid_t pid);

class TempDir {
 public:
  TempDir();
  TempDir(TempDir const&) = delete;
  TempDir& operator=(TempDir const&) = delete;
  ~TempDir();
  [[nodiscard]] std::filesystem::path const& path() const { return path_; }
  [[nodiscard]] std::filesystem::path operator/(std::string const& name) const {
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};
[[nodiscard]] std::string read_file(std::filesystem::path const& path);
void write_file(std::filesystem::path const& path, std::string const& text);
[[nodiscard]] std::filesystem::path this_executable();

/// This program (or another) in another process, with its output in files.
class ChildProgram {
 public:
  struct Options {
    std::filesystem::path executable = this_executable();
    std::vector<std::string> arguments{};
    std::vector<std::string> environment{};  ///< "NAME=value", beside the present one
    bool close_standard_descriptors = false;
    bool outside_of_mpi = false;  ///< without the variables of a job that this process is in
  };
  explicit ChildProgram(Options options);
  ChildProgram(ChildProgram const&) = delete;
  ChildProgram& operator=(ChildProgram const&) = delete;
  ~ChildProgram();

  [[nodiscard]] pid_t pid() const { return pid_; }
  void kill();
  /// Its exit code, -signal, or nothing within the bound (it is killed then).
  [[nodiscard]] std::optional<int> wait(Clock::duration bound = 60s);
  [[nodiscard]] std::string out() const { return read_file(files_ / "out"); }
  [[nodiscard]] std::string err() const { return read_file(files_ / "err"); }

 private:
  TempDir files_;
  pid_t pid_ = -1;
};

/// Runs `program --scenario NAME ARGUMENTS...` of this test program.
[[nodiscard]] ChildProgram::Options scenario(std::string const& name,
                                             std::vector<std::string> arguments = {});

/// A test for both transports; its cluster has room for short timeouts.
class OverTransports : public testing::TestWithParam<cohort::Transport> {
 protected:
  [[nodiscard]] cohort::ClusterOptions options() const { return {.transport = GetParam()}; }
};
[[nodiscard]] std::string name_of(testing::TestParamInfo<cohort::Transport> const& info);

}  // namespace launch_test

// One line for each suite that runs over both transports.
#define COHORT_OVER_TRANSPORTS(suite) \
  INSTANTIATE_TEST_SUITE_P(           \
      Over, suite, testing::Values(cohort::Transport::kUnix, cohort::Transport::kTcp), name_of)
