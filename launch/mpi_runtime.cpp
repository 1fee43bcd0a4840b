#include "launch/mpi_runtime.h"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <future>
#include <memory>
#include <set>
#include <stdexcept>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <mpi.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/start_thread.h"
#include "launch/mpi_rendezvous.h"

namespace cohort::mpi {
namespace {

constexpr std::chrono::seconds kFinalizeAtMost{10};
constexpr std::chrono::seconds kInitAtMost{60};
constexpr std::chrono::seconds kOpenCallsAtMost{3};
std::atomic<int> g_open_calls{0};
std::atomic<bool> g_ends{false};
std::atomic<bool> g_collective{false};
std::atomic<bool> g_mpirun_waits{false};
pid_t g_process = 0;  // not one that it forks

/// Calls of MPI that somebody is about to end: mpirun of Open MPI 4 may hang where a process leaves
/// in the middle of one.
void wait_for_open_calls() noexcept {
  g_ends.store(true);
  constexpr std::chrono::milliseconds kPause{5};
  auto const end = Deadline::after(kOpenCallsAtMost);
  while (g_open_calls.load() != 0 && !end.passed()) std::this_thread::sleep_for(kPause);
}

/// What MPI cannot end in time, because a process that it counts on is dead, ends here.
void finalize(int status, void*) {
  if (::getpid() != g_process) return;
  auto const tell = [status] {
    std::fflush(nullptr);
    say_that_this_is_no_crash();
    if (status != 0 || g_mpirun_waits.load()) tell_mpirun_of_failure();
  };
  auto const give_up = [status, tell] {
    tell();
    ::_exit(status);
  };
  int initialised = 0;
  MPI_Initialized(&initialised);
  if (initialised == 0) return tell();
  wait_for_open_calls();
  if (g_collective.load()) {
    leave_runtime();
    return tell();
  }
  if (g_open_calls.load() != 0) {
    note_that_mpirun_waits();
    give_up();
  }
  try {
    std::thread([give_up] {
      std::this_thread::sleep_for(kFinalizeAtMost);
      give_up();
    }).detach();
  } catch (std::system_error const&) {
    give_up();  // nobody would end an MPI_Finalize that hangs
  }
  MPI_Finalize();
  tell();
}

/// Open MPI writes to a peer's socket by writev: one that has just died would take this process
/// with it. By a handler, since programs that this one starts would inherit SIG_IGN.
void survive_writing_to_the_dead() {
  struct sigaction before {};
  if (::sigaction(SIGPIPE, nullptr, &before) != 0 || before.sa_handler != SIG_DFL) return;
  struct sigaction nothing {};
  nothing.sa_handler = [](int) {};
  nothing.sa_flags = SA_RESTART;
  ::sigaction(SIGPIPE, &nothing, nullptr);
}

/// The numbers of this process's open files.
std::set<int> open_files() {
  std::set<int> numbers;
  std::error_code ignored;
  for (auto const& entry : std::filesystem::directory_iterator("/proc/self/fd", ignored)) {
    numbers.insert(std::atoi(entry.path().filename().c_str()));
  }
  return numbers;
}

/// On a TCP port.
bool listens(int descriptor) {
  int accepts = 0;
  socklen_t size = sizeof accepts;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) != 0 || accepts == 0) {
    return false;
  }
  sockaddr_storage address{};
  size = sizeof address;
  if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return false;
  return address.ss_family == AF_INET || address.ss_family == AF_INET6;
}

/// MPI listens on all interfaces, whatever it is told to use, and lets each program have that
/// socket which this process starts. From now on it hears this machine alone, and nobody inherits
/// it. Best effort.
void keep_ports_to_this_process(std::set<int> const& before) {
  for (int const descriptor : open_files()) {
    if (before.contains(descriptor) || !listens(descriptor)) continue;
    constexpr char kLoopback[] = "lo";
    ::setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, kLoopback, sizeof kLoopback);
    ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  }
}

}  // namespace

std::string describe_error(int error) {
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(error, text, &length);
  return {text, static_cast<std::size_t>(length)};
}

void initialise() {
  int initialised = 0;
  MPI_Initialized(&initialised);
  survive_writing_to_the_dead();
  int provided = MPI_THREAD_SINGLE;
  if (initialised != 0) {  // by us, or by the program's own code before start_app
    MPI_Query_thread(&provided);
    if (provided == MPI_THREAD_MULTIPLE) return;
    throw std::runtime_error(
        "the program has called MPI_Init before cohort does: leave the call out, or ask for "
        "MPI_THREAD_MULTIPLE (MPI_Init_thread)");
  }
  auto const before = open_files();
  int const result = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided);
  if (result != MPI_SUCCESS) throw std::runtime_error("MPI_Init_thread failed");
  if (provided != MPI_THREAD_MULTIPLE) {
    throw std::runtime_error("this MPI does not offer MPI_THREAD_MULTIPLE, which cohort needs");
  }
  keep_ports_to_this_process(before);
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
}

void initialise_in_time() {
  static std::atomic<bool> hangs{false};
  auto const late = [] {
    return std::runtime_error("MPI_Init has not returned after " +
                              std::to_string(kInitAtMost.count()) +
                              " s: another rank of the job died in it, or never came to it");
  };
  if (hangs.load()) throw late();
  if (!begin_call()) throw std::runtime_error("the process is ending");
  auto result = std::make_shared<std::promise<void>>();
  auto done = result->get_future();
  try {
    start_thread("MPI_Init", [result] {
      try {
        initialise();
        result->set_value();
      } catch (...) {
        result->set_exception(std::current_exception());
      }
    }).detach();
  } catch (...) {
    end_call();
    throw;
  }
  if (done.wait_for(kInitAtMost) == std::future_status::timeout) {
    hangs.store(true);
    throw late();
  }
  end_call();
  done.get();
}

void finalize_at_exit() {
  g_process = ::getpid();
  [[maybe_unused]] static int const registered = ::on_exit(&finalize, nullptr);
}
void leave_finalize_out() noexcept { g_collective.store(true); }
void note_that_mpirun_waits() noexcept { g_mpirun_waits.store(true); }

/// One of the two sees what the other has set.
bool begin_call() noexcept {
  ++g_open_calls;
  if (!g_ends.load()) return true;
  --g_open_calls;
  return false;
}

void end_call() noexcept { --g_open_calls; }

}  // namespace cohort::mpi
