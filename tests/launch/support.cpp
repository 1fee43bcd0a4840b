#include "tests/launch/support.h"

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <utility>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launch/agent.h"

extern char** environ;

namespace launch_test {
namespace fs = std::filesystem;

testing::AssertionResult contains(std::string const& text, std::string const& part) {
  if (text.find(part) != text.npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "no \"" << part << "\" in: " << text;
}

std::size_t occurrences(std::string_view part, std::string_view text) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

std::function<void(Error const&)> Failures::listener() {
  return [this](Error const& error) {
    std::lock_guard const lock(mutex_);
    errors_.push_back(error);
    told_.notify_all();
  };
}

Error Failures::wait_for_first() {
  std::unique_lock lock(mutex_);
  if (told_.wait_for(lock, kBound, [this] { return !errors_.empty(); })) return errors_.front();
  ADD_FAILURE() << "on_failure was not told";
  return Error(ErrorKind::kProtocol, "on_failure was not told");
}

std::size_t Failures::count() const {
  std::lock_guard const lock(mutex_);
  return errors_.size();
}

Holdings Holdings::now() {
  Holdings holdings;
  for (auto const& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    auto const target = fs::read_symlink(entry.path(), gone);
    if (gone || target.string().ends_with("/fd")) continue;  // the iterator's own
    holdings.descriptors.insert(entry.path().filename().string() + " -> " + target.string());
  }
  for (auto const& task : fs::directory_iterator("/proc/self/task")) {
    std::ifstream children(task.path() / "children");
    for (pid_t pid = 0; children >> pid;) holdings.children.insert(pid);
  }
  return holdings;
}

testing::AssertionResult nothing_is_left(Holdings const& before, bool may_lack) {
  auto now = Holdings::now();
  auto const as_before = [&] {
    now = Holdings::now();
    return now.children == before.children &&
           (may_lack ? std::includes(before.descriptors.begin(), before.descriptors.end(),
                                     now.descriptors.begin(), now.descriptors.end())
                     : now.descriptors == before.descriptors);
  };
  if (eventually(as_before, 10s)) {
    return testing::AssertionSuccess();
  }
  auto failure = testing::AssertionFailure() << "left over or lost:";
  for (auto const& each : now.descriptors) {
    if (!before.descriptors.contains(each)) failure << " +" << each;
  }
  for (auto const& each : before.descriptors) {
    if (!now.descriptors.contains(each)) failure << " -" << each;
  }
  for (auto pid : now.children) failure << " process " << pid;
  return failure;
}

bool is_gone(pid_t pid) {
  std::string const stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  auto const name_end = stat.rfind(')');
  if (name_end == stat.npos) return true;
  char const state = stat[name_end + 2];
  return state == 'Z' || state == 'X';
}

namespace {

/// The fields of /proc/PID/stat behind the name; the first is the state (proc(5) counts it as 3).
std::vector<std::string> stat_fields(pid_t pid) {
  auto const stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  auto const name_end = stat.rfind(')');
  if (name_end == stat.npos) return {};
  std::istringstream rest(stat.substr(name_end + 1));
  return {std::istream_iterator<std::string>(rest), {}};
}

}  // namespace

std::uint64_t resident_bytes(pid_t pid) {
  auto const fields = stat_fields(pid);
  auto const page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return fields.empty() ? 0 : std::stoull(fields.at(24 - 3)) * page;
}

std::uint64_t cpu_ticks(pid_t pid) {
  auto const fields = stat_fields(pid);
  return fields.empty() ? 0 : std::stoull(fields.at(14 - 3)) + std::stoull(fields.at(15 - 3));
}

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> children;
  std::error_code gone;
  for (auto const& task : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone)) {
    std::istringstream list(read_file(task.path() / "children"));
    for (pid_t child = 0; list >> child;) children.push_back(child);
  }
  return children;
}

std::vector<pid_t> descendants_of(pid_t pid) {
  auto all = children_of(pid);
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto const more = children_of(all[i]);
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

bool has_variable(pid_t pid, std::string const& name) {
  auto const variables = '\0' + read_file("/proc/" + std::to_string(pid) + "/environ");
  return variables.find('\0' + name + '=') != variables.npos;
}

std::size_t descriptors_of(pid_t pid) {
  std::size_t count = 0;
  for (auto const& each : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
    static_cast<void>(each);
    ++count;
  }
  return count;
}

bool rests(pid_t pid) {
  auto const end = Clock::now() + kBound;
  for (auto before = cpu_ticks(pid); Clock::now() < end;) {
    std::this_thread::sleep_for(100ms);
    if (before == std::exchange(before, cpu_ticks(pid))) return true;
  }
  return false;
}

TempDir::TempDir() {
  std::string path = fs::temp_directory_path() / "cohort-launch-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) throw std::runtime_error("mkdtemp");
  path_ = path;
}

TempDir::~TempDir() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string read_file(fs::path const& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void write_file(fs::path const& path, std::string const& text) {
  std::ofstream(path, std::ios::binary) << text;
}

fs::path this_executable() { return fs::read_symlink("/proc/self/exe"); }

ChildProgram::ChildProgram(Options options) {
  std::vector<std::string> arguments{options.executable.string()};
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  std::vector<std::string> environment = std::move(options.environment);
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (options.outside_of_mpi && cohort::is_of_runtime(*variable)) continue;
    environment.emplace_back(*variable);
  }
  auto const pointers = [](std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (auto& text : texts) result.push_back(text.data());
    result.push_back(nullptr);
    return result;
  };
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  auto const out = (files_ / "out").string();
  auto const err = (files_ / "err").string();
  if (options.close_standard_descriptors) {
    for (int descriptor : {0, 1, 2}) ::posix_spawn_file_actions_addclose(&actions, descriptor);
  } else {
    constexpr int kHow = O_WRONLY | O_CREAT | O_APPEND;
    ::posix_spawn_file_actions_addopen(&actions, 1, out.c_str(), kHow, 0600);
    ::posix_spawn_file_actions_addopen(&actions, 2, err.c_str(), kHow, 0600);
  }
  int const error = ::posix_spawn(&pid_, options.executable.c_str(), &actions, nullptr,
                                  pointers(arguments).data(), pointers(environment).data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) cohort::throw_errno("posix_spawn", error);
}

ChildProgram::~ChildProgram() {
  if (pid_ < 0) return;
  kill();
  ::waitpid(pid_, nullptr, 0);
}

void ChildProgram::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

std::optional<int> ChildProgram::wait(Clock::duration bound) {
  int status = 0;
  if (!eventually([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; }, bound)) {
    return std::nullopt;
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

ChildProgram::Options scenario(std::string const& name, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"--scenario", name});
  return {.arguments = std::move(arguments)};
}

std::string name_of(testing::TestParamInfo<cohort::Transport> const& info) {
  return info.param == cohort::Transport::kUnix ? "Unix" : "Tcp";
}

}  // namespace launch_test
