#include "launch/local_launcher.h"

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "core/error.h"
#include "launch/start_plan.h"

namespace cohort {
namespace {

std::pair<UniqueFd, UniqueFd> make_pipe() {
  int ends[2];
  check(::pipe2(ends, O_CLOEXEC), "pipe2");
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

/// Arranges the child's descriptor; gives the pipe to read from, where there is one.
UniqueFd redirect(std::vector<StartPlan::Inherited>& files, Redirect const& redirect,
                  int descriptor, OutputOwner const& owner, SharedFiles& shared) {
  switch (redirect.mode) {
    case Redirect::Mode::kPipe:
    case Redirect::Mode::kForward: {
      auto [read_end, write_end] = make_pipe();
      files.push_back({above_stderr(std::move(write_end)), descriptor});
      return std::move(read_end);
    }
    case Redirect::Mode::kNull: {
      UniqueFd null(check(::open("/dev/null", O_WRONLY | O_CLOEXEC), "open(/dev/null)"));
      files.push_back({above_stderr(std::move(null)), descriptor});
      return {};
    }
    case Redirect::Mode::kAppend:
    case Redirect::Mode::kTruncate: {
      auto const path = path_for(redirect.path, owner);
      bool const empties = redirect.mode == Redirect::Mode::kTruncate && shared.are_emptied &&
                           shared.emptied.insert(path).second;
      int const how = O_APPEND | (empties ? O_TRUNC : 0);  // others may have it open
      // A FIFO that nobody reads must not hold the launcher up: it fails instead (ENXIO).
      UniqueFd file(
          ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | how, 0666));
      if (!file) {
        throw std::runtime_error("cannot open " + path.string() +
                                 " for a worker's output: " + std::strerror(errno));
      }
      set_nonblocking(file.get(), false);
      files.push_back({above_stderr(std::move(file)), descriptor});
      return {};
    }
  }
  return {};
}

/// Hands the file on to the child, which finds it under the number that is returned.
int pass_on(StartPlan& plan, UniqueFd file, Starter const& starter) {
  auto inherited = above_stderr(std::move(file));
  int const as = starter.renumbers ? kFirstPassedOn + static_cast<int>(plan.descriptors.size())
                                   : inherited.get();
  plan.descriptors.push_back({std::move(inherited), as});
  return as;
}

std::vector<std::string> child_environment(int boot_descriptor, pid_t parent,
                                           SpawnOptions const& options) {
  auto wanted = options.environment;
  bool const outlives = options.shutdown_on == ShutdownOn::kCalledShutdown;
  wanted[kWorkerVariable] =
      std::to_string(boot_descriptor) + ':' + std::to_string(outlives ? 0 : parent);
  auto variables = own_environment();
  std::erase_if(variables, [&](std::string const& each) {
    return wanted.contains(each.substr(0, each.find('=')));
  });
  for (auto const& [name, value] : wanted) variables.push_back(name + '=' + value);
  return variables;
}

}  // namespace

Starter Starter::here() {
  return {.parent = ::getpid(), .renumbers = false, .start = [](StartPlan plan) {
            auto const path = plan.path;
            auto const pid = cohort::start(std::move(plan));
            return StartedProcess{.pid = pid, .pidfd = open_pidfd(pid, path), .agent = {}};
          }};
}

Outputs open_outputs(SpawnOptions const& options, OutputOwner const& owner, SharedFiles& shared) {
  Outputs outputs;
  outputs.stdout_pipe =
      redirect(outputs.files, options.redirect_stdout, STDOUT_FILENO, owner, shared);
  outputs.stderr_pipe =
      redirect(outputs.files, options.redirect_stderr, STDERR_FILENO, owner, shared);
  return outputs;
}

LocalProcess start_local_process(BootRecord boot, std::vector<std::string> const& extra_arguments,
                                 SpawnOptions const& options, Outputs outputs,
                                 Starter const& starter) {
  LocalProcess process;
  StartPlan plan;
  plan.descriptors = std::move(outputs.files);
  process.stdout_pipe = std::move(outputs.stdout_pipe);
  process.stderr_pipe = std::move(outputs.stderr_pipe);
  // An agent's own working directory may be another one.
  if (!options.directory.empty()) {
    plan.directory = std::filesystem::absolute(options.directory).string();
  }
  boot.parent_pid = starter.parent;
  if (boot.transport == Transport::kUnix) {
    auto [ours, theirs] = make_socket_pair();
    process.socket = std::move(ours);
    boot.inherited_socket = pass_on(plan, std::move(theirs), starter);
  }
  auto [boot_read, boot_write] = make_pipe();
  int const inherited_boot = pass_on(plan, std::move(boot_read), starter);
  auto const record = to_bytes(boot);
  check(::write(boot_write.get(), record.data(), record.size()), "write(boot record)");
  boot_write.reset();
  if (options.redirect_stdout.mode == Redirect::Mode::kPipe) {  // in the foreground
    auto [stdin_read, stdin_write] = make_pipe();
    plan.descriptors.push_back({above_stderr(std::move(stdin_read)), STDIN_FILENO});
    process.stdin_pipe = std::move(stdin_write);
  }

  // The link stays good when the file was deleted or replaced on disk. A wrapping command has
  // another /proc/self/exe, so it is given ours by number.
  bool const wrapped = !options.wrap.empty();
  std::string const program = !options.executable.empty() ? absolute(options.executable).string()
                              : wrapped ? "/proc/" + std::to_string(::getpid()) + "/exe"
                                        : "/proc/self/exe";
  plan.arguments = options.wrap;
  plan.arguments.push_back(
      options.executable.empty() && !wrapped ? std::string(::program_invocation_name) : program);
  plan.arguments.insert(plan.arguments.end(), extra_arguments.begin(), extra_arguments.end());
  plan.arguments.push_back("--cohort-worker=" + boot.id.to_string() + ",master=" + host_name() +
                           ':' + std::to_string(::getpid()) +
                           (options.name.empty() ? "" : ",name=" + options.name));
  plan.path = wrapped ? options.wrap.front() : program;
  plan.look_up = wrapped;  // a command
  plan.environment = child_environment(inherited_boot, starter.parent, options);
  auto started = starter.start(std::move(plan));
  process.pid = started.pid;
  process.pidfd = std::move(started.pidfd);
  process.agent = std::move(started.agent);
  if (wrapped) process.group = process.pid;  // it leads one
  return process;
}

}  // namespace cohort
