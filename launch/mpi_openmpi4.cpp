// What is particular to Open MPI 4: the parameters under which one worker's death leaves all others
// alone, and the variables by which a process knows how it was started. Measured with 4.1.4.
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {  // glibc 2.36 forgot to say so in this header
#include <sys/pidfd.h>
}

#include "core/error.h"
#include "launch/agent.h"
#include "launch/log.h"
#include "launch/mpi_runtime.h"
#include "launch/start_plan.h"
#include "transports/socket.h"

namespace cohort::mpi {
namespace {

constexpr char kRecovery[] = "OMPI_MCA_orte_enable_recovery";

bool recovers() {
  char const* const value = std::getenv(kRecovery);
  return value != nullptr && std::string_view(value) != "0";
}

/// What the user has set stays.
void set_default(char const* variable, char const* value) { ::setenv(variable, value, 0); }

/// The same command again, as one that mpirun knows nothing of.
[[noreturn]] void restart_alone() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string const text{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::string> arguments;
  for (std::size_t at = 0; at < text.size(); at += arguments.back().size() + 1) {
    arguments.emplace_back(text.c_str() + at);
  }
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::vector<char*> envp;
  auto environment = own_environment();
  for (auto& variable : environment) {
    if (!is_of_runtime(variable)) envp.push_back(variable.data());
  }
  envp.push_back(nullptr);
  ::execve("/proc/self/exe", argv.data(), envp.data());
  throw std::runtime_error("cannot start this program again outside of mpirun's job");
}

/// What mpirun has not read from us when it is asked to end is lost.
void wait_until_read(int descriptor) noexcept {
  constexpr int kTries = 500;
  constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 2'000'000};
  for (int i = 0; i < kTries; ++i) {
    int left = 0;
    auto const asked = ::isatty(descriptor) != 0 ? TIOCOUTQ : FIONREAD;
    if (::ioctl(descriptor, asked, &left) != 0) return;  // a file
    ::nanosleep(&kPause, nullptr);
    if (left == 0) return;
  }
}

/// How long mpirun takes at most to write what it has read, which nothing tells.
constexpr timespec kPassOn{.tv_sec = 0, .tv_nsec = 300'000'000};
int g_watcher = -1;  // the process that hears of a crash

/// The mpirun with --enable-recovery whose child this process is.
std::optional<pid_t> mpirun_above() {
  if (!recovers()) return std::nullopt;
  auto const parent = ::getppid();
  std::ifstream file("/proc/" + std::to_string(parent) + "/comm");
  std::string name;
  std::getline(file, name);
  if (name != "mpirun" && name != "orterun" && name != "mpiexec") return std::nullopt;
  return parent;
}

/// In a process of its own, with all signals blocked. mpirun does not end before those who have its
/// stdout and stderr; it ends this process, too, where it is asked to end by others.
[[noreturn]] void watch_for_a_crash(int master, int mpirun) noexcept {
  sigset_t asked_to_end;
  ::sigemptyset(&asked_to_end);
  ::sigaddset(&asked_to_end, SIGTERM);
  ::signal(SIGTERM, SIG_DFL);
  ::pthread_sigmask(SIG_UNBLOCK, &asked_to_end, nullptr);
  auto const [low, high] = std::minmax(master, mpirun);
  ::close_range(STDERR_FILENO + 1, static_cast<unsigned>(low) - 1, 0);
  ::close_range(static_cast<unsigned>(low) + 1, static_cast<unsigned>(high) - 1, 0);
  ::close_range(static_cast<unsigned>(high) + 1, ~0u, 0);
  char said = 0;
  if (::recv(master, &said, 1, 0) == 0) {
    wait_until_read(STDOUT_FILENO);
    wait_until_read(STDERR_FILENO);
    ::nanosleep(&kPassOn, nullptr);
    ::pidfd_send_signal(mpirun, SIGTERM, nullptr, 0);
  }
  ::_exit(EXIT_SUCCESS);
}

constexpr char kNoRecovery[] =
    "mpirun was started without --enable-recovery, so that the death of one worker would end the "
    "whole job: add it";

void check_ranks(std::optional<MpiBackend::JobPlace> const& place) {
  if (!place || place->size < 2) {
    throw std::runtime_error(
        "--workers ranks: rank 0 is the master and the others are the workers, but there are no "
        "others: run it by mpirun --enable-recovery -n N, with N at least 2");
  }
  if (!recovers()) throw std::runtime_error(kNoRecovery);
}

/// Before the spawning of workers, by mpirun or alone.
void check_spawning(std::optional<MpiBackend::JobPlace> const& place, MpiOptions const& options) {
  if (!place) return;
  if (place->size != 1) {
    throw std::runtime_error(
        "--workers mpi:N starts its workers by itself: run it alone, or by mpirun "
        "--enable-recovery -n 1; --workers ranks takes the ranks of this job");
  }
  if (recovers()) return;
  if (options.restart_without_recovery) restart_alone();
  throw std::runtime_error(std::string(kNoRecovery) +
                           ", or pass --mpi-restart to start again outside of mpirun's job");
}

void prepare_alone() {
  set_default(kRecovery, "1");
  set_default("EVENT_NOEPOLL", "1");  // or MPI_Comm_spawn hangs now and then
  if (::geteuid() == 0) {
    set_default("OMPI_ALLOW_RUN_AS_ROOT", "1");
    set_default("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
  }
}

}  // namespace

std::optional<MpiBackend::JobPlace> place_in_job() {
  char const* const size = std::getenv("OMPI_COMM_WORLD_SIZE");
  char const* const rank = std::getenv("OMPI_COMM_WORLD_RANK");
  char const* const job = std::getenv("PMIX_NAMESPACE");
  if (size == nullptr || rank == nullptr || job == nullptr) return std::nullopt;
  return MpiBackend::JobPlace{.rank = static_cast<std::uint32_t>(std::atoi(rank)),
                              .size = static_cast<std::uint32_t>(std::atoi(size)),
                              .job = job};
}

std::string prepare_master(Launcher launcher, MpiOptions const& options) {
  auto const place = place_in_job();
  std::string chosen = "workers over MPI: ";
  if (launcher == Launcher::kRanks) {
    check_ranks(place);
    chosen += "the other " + std::to_string(place->size - 1) + " ranks of this job";
  } else {
    check_spawning(place, options);
    chosen += place ? "spawned, under mpirun" : "spawned, without mpirun";
  }
  if (!place) prepare_alone();
  bool const spawns = launcher != Launcher::kRanks || options.replace_ranks;
  if (spawns && std::getenv("EVENT_NOEPOLL") == nullptr) {
    log(LogLevel::kWarning,
        "workers over MPI: EVENT_NOEPOLL=1 is not in mpirun's environment, and MPI_Comm_spawn may "
        "hang now and then");
  }
  prepare_rank(options);
  chosen += ", pml " + std::string(std::getenv("OMPI_MCA_pml"));
  if (options.oversubscribe) chosen += ", oversubscribed";
  return chosen;
}

/// mpirun with --enable-recovery ends with 0 whatever its programs end with, and with 1 when it is
/// asked to end, which it does by ending them.
void tell_mpirun_of_failure() noexcept {
  auto const mpirun = mpirun_above();
  if (!mpirun) return;
  wait_until_read(STDOUT_FILENO);
  wait_until_read(STDERR_FILENO);
  ::nanosleep(&kPassOn, nullptr);
  ::signal(SIGTERM, SIG_IGN);  // which it sends us, too
  ::kill(*mpirun, SIGTERM);
}

/// By a process that hears the end of a connection: nothing of ours runs where this one is killed.
/// It is nobody's child, since this process may wait for its own. Where it cannot be had, a crash
/// is not told.
void have_mpirun_told_of_a_crash() noexcept try {
  auto const mpirun = mpirun_above();
  if (!mpirun || g_watcher >= 0) return;
  auto itself = above_stderr(UniqueFd(check(::pidfd_open(*mpirun, 0), "pidfd_open")));
  auto pair = make_socket_pair();
  auto ours = above_stderr(std::move(pair.first));
  auto theirs = above_stderr(std::move(pair.second));
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  theirs.share();
  itself.share();
  auto const child = ::fork();
  if (child == 0) {
    if (::fork() != 0) ::_exit(EXIT_SUCCESS);
    ours.reset();
    watch_for_a_crash(theirs.get(), itself.get());
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (child < 0) return;
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  g_watcher = ours.release();
  keep_from_forks(g_watcher);  // the watcher is to see the end of this process
} catch (std::exception const&) {
}

void say_that_this_is_no_crash() noexcept {
  [[maybe_unused]] auto const sent = ::send(g_watcher, "e", 1, MSG_NOSIGNAL);
}

void prepare_rank(MpiOptions const& options) {
  if (options.oversubscribe) set_default("OMPI_MCA_rmaps_base_oversubscribe", "1");
  if (options.fabric == MpiOptions::Fabric::kUcx) {
    for (auto const& [variable, value] : {std::pair("OMPI_MCA_pml", "ucx"),
                                          {"OMPI_MCA_pml_ucx_tls", "any"},
                                          {"OMPI_MCA_pml_ucx_devices", "any"},
                                          // Not sm: it reads from and writes to its peer's memory,
                                          // and a peer that dies meanwhile ends this process.
                                          {"UCX_TLS", "posix,self"},
                                          {"UCX_LOG_LEVEL", "fatal"}}) {  // it would be on stdout
      set_default(variable, value);
    }
  } else {
    set_default("OMPI_MCA_pml", "ob1");  // saves 200 ms in each process
  }
  set_default("OMPI_MCA_opal_signal",
              "");  // a crash is reported by cohort, not by handlers of MPI's
  // Between ranks a packet is copied, and into a large box, rather than fetched from its sender,
  // who may be dead by then.
  set_default("OMPI_MCA_btl_vader_eager_limit", "33792");
  set_default("OMPI_MCA_btl_vader_fbox_size", "65536");
  set_default("OMPI_MCA_btl_vader_segment_size", "16777216");
  // By default each process takes the first free port from 1024 up, so that what is still on its
  // way to a dead worker reaches the next one that is started, and spoils its connection. 0: the
  // kernel chooses.
  set_default("OMPI_MCA_btl_tcp_port_min_v4", "0");
  set_default("OMPI_MCA_btl_tcp_port_min_v6", "0");
  // All are on one machine. (mpi_runtime.cpp sees to it that nobody else can connect either.)
  if (std::getenv("OMPI_MCA_btl_tcp_if_exclude") == nullptr) {
    set_default("OMPI_MCA_btl_tcp_if_include", "lo");
  }
  // Large enough that what a dying worker has sent lies in the kernel, not in a queue of MPI's.
  set_default("OMPI_MCA_btl_tcp_sndbuf", "1048576");
  set_default("OMPI_MCA_btl_tcp_rcvbuf", "1048576");
}

}  // namespace cohort::mpi
