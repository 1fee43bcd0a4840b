#include "launch/ranks.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <stdio_ext.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {  // glibc 2.36 forgot to say so in this header
#include <sys/pidfd.h>
}

#include "core/error.h"
#include "launch/agent.h"
#include "launch/boot.h"
#include "launch/exit_status.h"
#include "launch/log.h"
#include "launch/mpi_relay.h"
#include "launch/plan_transfer.h"
#include "launch/start_plan.h"

namespace cohort {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Until rank 0 has opened its hall, which it does as soon as it has read its command line.
constexpr seconds kMasterAtMost{60};
constexpr milliseconds kBetweenTries{10};
constexpr seconds kStragglersAtMost{5};
constexpr milliseconds kLeaveAtMost{800};
/// The waiting process finds its agent under this number.
constexpr int kAgentSocket = 3;

std::string hall_of(MpiBackend::JobPlace const& place) {
  return "@cohort-" + std::to_string(::geteuid()) + '-' + place.job;
}

// ---- a rank's agent ----------------------------------------------------------------------------

/// A process that initialises MPI in this rank's name and waits. It ends with this object, by
/// itself where it can: mpirun complains of one that takes no leave of it.
struct Waiting {
  Waiting(UniqueFd its_socket, pid_t its_pid) : socket(std::move(its_socket)), pid(its_pid) {}
  Waiting(Waiting const&) = delete;
  Waiting& operator=(Waiting const&) = delete;
  ~Waiting() {
    if (!there) return;
    ::shutdown(socket.get(), SHUT_RDWR);
    UniqueFd const pidfd(::pidfd_open(pid, 0));
    pollfd end{pidfd.get(), POLLIN, 0};
    ::poll(&end, 1, static_cast<int>(kLeaveAtMost.count()));
    ::kill(-pid, SIGKILL);  // it leads a group
    ::waitpid(pid, nullptr, 0);
  }

  UniqueFd const socket;
  pid_t const pid;
  bool there = true;
};

Waiting start_waiting(std::uint32_t rank, std::vector<std::string> const& arguments) {
  auto [ours, theirs] = make_socket_pair();
  StartPlan plan;
  plan.path = "/proc/self/exe";
  plan.arguments.emplace_back(::program_invocation_name);
  plan.arguments.insert(plan.arguments.end(), arguments.begin(), arguments.end());
  plan.arguments.push_back("--cohort-rank=" + std::to_string(rank));
  plan.environment = own_environment();
  relay_runtime(plan.environment);
  plan.environment.push_back(std::string(kWorkerVariable) + '=' + std::to_string(kAgentSocket) +
                             ':' + std::to_string(::getpid()) + std::string(kWaits));
  UniqueFd above(check(::fcntl(theirs.get(), F_DUPFD_CLOEXEC, kFirstPassedOn), "fcntl"));
  plan.descriptors.push_back({std::move(above), kAgentSocket});
  return {std::move(ours), start(std::move(plan))};
}

UniqueFd go_to_master(std::string const& hall, std::uint32_t rank) {
  for (auto const deadline = Deadline::after(kMasterAtMost);;) {
    try {
      return go_to_hall(hall, rank, {}, deadline);
    } catch (std::exception const& error) {
      if (deadline.passed()) {
        throw std::runtime_error("rank 0 was not found on this machine within " +
                                 std::to_string(kMasterAtMost.count()) + " s: " + error.what());
      }
      std::this_thread::sleep_for(kBetweenTries);
    }
  }
}

/// Waits until either has something to say, or has gone.
void wait_for_either(pollfd& one, pollfd& other) {
  std::array<pollfd, 2> events{one, other};
  while (events[0].revents == 0 && events[1].revents == 0) {
    if (::poll(events.data(), events.size(), -1) < 0 && errno != EINTR) throw_errno("poll", errno);
  }
  one = events[0];
  other = events[1];
}

enum class Initialised { kItself, kByAgent, kNever };

/// Waits until the worker has initialised MPI. One that dies before is stood in for: everybody's
/// MPI_Init waits for it. kNever where the master is gone.
Initialised wait_until_initialised(int master, int waiting, MpiBackend& mpi) {
  pollfd of_waiting{waiting, POLLIN, 0};
  pollfd of_master{master, POLLRDHUP, 0};
  wait_for_either(of_waiting, of_master);
  if (of_master.revents != 0) return Initialised::kNever;
  char said = 0;
  if (::recv(waiting, &said, 1, 0) == 1) return Initialised::kItself;
  try {
    std::thread([&mpi] { mpi.stand_in(); }).detach();
  } catch (std::system_error const&) {
    mpi.stand_in();  // this rank is lost in any case; the others are not to wait
  }
  return Initialised::kByAgent;
}

/// Whether a plan comes before the process ends that waits for it. It says nothing meanwhile.
bool outlives_its_wait(int master, int waiting) {
  pollfd of_waiting{waiting, POLLRDHUP, 0};
  pollfd of_master{master, POLLIN | POLLRDHUP, 0};
  wait_for_either(of_waiting, of_master);
  return of_waiting.revents == 0;
}

void serve_rank(MpiBackend::JobPlace const& place, ClusterOptions const& options, MpiBackend& mpi) {
  mpi.prepare_rank(options.mpi);
  auto waiting = start_waiting(place.rank, options.worker_arguments);
  auto const master = go_to_master(hall_of(place), place.rank);
  auto const initialised = wait_until_initialised(master.get(), waiting.socket.get(), mpi);
  if (initialised == Initialised::kNever) return;
  while (waiting.there) {
    if (initialised == Initialised::kItself &&
        !outlives_its_wait(master.get(), waiting.socket.get())) {
      return;  // which the master sees
    }
    auto plan = receive_plan(master.get());
    if (!plan) return;
    add_runtime_variables(*plan);
    try {
      send_plan(waiting.socket.get(), *plan, Deadline::after(kMasterAtMost));
    } catch (std::exception const&) {
      // It is dead: the master hears how.
    }
    answer_plan(master.get(), waiting.pid, {});
    waiting.there = watch_worker(master.get(), waiting.pid, waiting.socket.get());
  }
}

// ---- the process that waits --------------------------------------------------------------------

/// What a worker changes, and the next one finds as it was.
class Surroundings {
 public:
  Surroundings()
      : stdin_(above(STDIN_FILENO)),
        stdout_(above(STDOUT_FILENO)),
        stderr_(above(STDERR_FILENO)),
        directory_(check(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC), "open(.)")),
        umask_(::umask(0)) {
    ::umask(umask_);
  }
  void restore() const {
    std::fflush(nullptr);
    check(::dup2(stdin_.get(), STDIN_FILENO), "dup2");
    ::__fpurge(stdin);  // of the last worker's, which may have ended
    std::clearerr(stdin);
    check(::dup2(stdout_.get(), STDOUT_FILENO), "dup2");
    check(::dup2(stderr_.get(), STDERR_FILENO), "dup2");
    check(::fchdir(directory_.get()), "fchdir");
    ::umask(umask_);
  }

 private:
  static UniqueFd above(int descriptor) {
    return UniqueFd(check(::fcntl(descriptor, F_DUPFD_CLOEXEC, kFirstPassedOn + kPassedOnAtMost),
                          "fcntl(F_DUPFD)"));
  }

  UniqueFd stdin_;
  UniqueFd stdout_;
  UniqueFd stderr_;
  UniqueFd directory_;
  mode_t umask_;
};

/// Only what differs: MPI's own threads may be looking.
void take_on_environment(std::vector<std::string> const& wanted) {
  auto names = own_environment();
  for (auto& name : names) name.resize(std::min(name.find('='), name.size()));
  for (auto const& variable : wanted) {
    auto const equals = variable.find('=');
    auto const name = variable.substr(0, equals);
    std::erase(names, name);
    auto const value = equals == variable.npos ? std::string() : variable.substr(equals + 1);
    char const* const now = std::getenv(name.c_str());
    if (now == nullptr || value != now) ::setenv(name.c_str(), value.c_str(), 1);
  }
  for (auto const& name : names) {
    if (!is_of_runtime(name)) ::unsetenv(name.c_str());  // MPI has set some itself
  }
}

void take_on(StartPlan plan) {
  for (auto const& [file, as] : plan.descriptors) {
    if (as > STDERR_FILENO && ::fcntl(as, F_GETFD) != -1) {
      throw std::runtime_error("an earlier worker left descriptor " + std::to_string(as) + " open");
    }
    check(::dup2(file.get(), as), "dup2");
  }
  if (!plan.directory.empty()) check(::chdir(plan.directory.c_str()), "chdir");
  take_on_environment(plan.environment);
}

}  // namespace

void run_as_rank(ClusterOptions const& options) {
  if (options.launcher != Launcher::kRanks || mpi_backend() == nullptr) return;
  auto& mpi = *mpi_backend();
  auto const place = mpi.place_in_job();
  if (!place) return;
  if (place->rank == 0) {
    if (place->size > 1) static_cast<void>(RankPool::of(*place));  // so that agents see its end
    return;
  }
  keep_exit_statuses();
  try {
    serve_rank(*place, options, mpi);
  } catch (std::exception const& error) {
    std::fprintf(stderr, "cohort: rank %u (pid %d): %s\n", place->rank,
                 static_cast<int>(::getpid()), error.what());
  }
  std::fflush(nullptr);
  finish_relays();
  ::_exit(EXIT_SUCCESS);  // as run_agent does
}

int run_waiting_worker(std::function<int(std::uint32_t)> const& serve) {
  UniqueFd const agent(kAgentSocket);
  check(::fcntl(agent.get(), F_SETFD, FD_CLOEXEC), "fcntl(F_SETFD)");
  Surroundings const surroundings;
  required_mpi_backend().initialise();
  for (std::uint32_t life = 0;; ++life) {
    check(::send(agent.get(), &kWaitsAgain, 1, MSG_NOSIGNAL), "send");
    auto plan = receive_plan(agent.get());
    if (!plan) {
      required_mpi_backend().leave();
      return EXIT_SUCCESS;
    }
    take_on(std::move(*plan));
    if (int const code = serve(life); code != 0) return code;
    surroundings.restore();
  }
}

// ---- the master's side -------------------------------------------------------------------------

RankPool& RankPool::of(MpiBackend::JobPlace const& place) {
  static auto* const pool = new RankPool(place);
  // Agents end with this process: also those that are on their way when it ends soon.
  static Birthplace const birthplace;
  [[maybe_unused]] static int const registered = std::atexit([] {
    if (birthplace.is_elsewhere()) return;
    pool->hall_.wait_for_all(pool->ranks_ - 1, Deadline::after(kStragglersAtMost));
  });
  return *pool;
}

RankPool::RankPool(MpiBackend::JobPlace const& place) : hall_(hall_of(place)), ranks_(place.size) {}

std::optional<RankPool::Rank> RankPool::take(Deadline deadline) {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait_until(lock, deadline.at(),
                        [this] { return next_ != ranks_ || !returned_.empty() || expected_ == 0; });
    Rank rank;
    bool has_left = false;
    if (next_ != ranks_) {
      rank.number = next_++;
      has_left = hall_.has_left(rank.number);
    } else if (!returned_.empty()) {
      rank = std::move(returned_.front());
      returned_.pop_front();
      has_left = has_hung_up(rank.agent.get());
    } else {
      return std::nullopt;
    }
    if (!has_left) return rank;
    ++lost_;
    log(LogLevel::kWarning, "rank " + std::to_string(rank.number) +
                                " is lost: its process ended while it was no worker");
  }
}

/// Of one rank, for one worker.
class RankPool::Lender : public AgentLender {
 public:
  Lender(RankPool& pool, std::uint32_t number, std::uint32_t life)
      : pool_(pool), number_(number), life_(life) {}
  Lender(Lender const&) = delete;
  Lender& operator=(Lender const&) = delete;
  ~Lender() override {
    std::lock_guard const lock(pool_.mutex_);
    if (!came_back_) ++pool_.lost_;
    settle();
  }

  void expect_back() override {
    std::lock_guard const lock(pool_.mutex_);
    if (!std::exchange(expected_, true)) ++pool_.expected_;
  }
  void take_back(UniqueFd agent) override {
    std::lock_guard const lock(pool_.mutex_);
    pool_.returned_.push_back({.number = number_, .life = life_ + 1, .agent = std::move(agent)});
    came_back_ = true;
    settle();
  }

 private:
  void settle() {
    if (std::exchange(expected_, false)) --pool_.expected_;
    pool_.changed_.notify_all();
  }

  RankPool& pool_;
  std::uint32_t const number_;
  std::uint32_t const life_;
  bool expected_ = false;
  bool came_back_ = false;
};

AgentHandle RankPool::agent_of(Rank rank, Deadline deadline) {
  if (!rank.agent) rank.agent = std::move(hall_.wait_for(rank.number, deadline).socket);
  AgentHandle agent;
  if (!rank.agent) {
    std::lock_guard const lock(mutex_);
    ++lost_;
    return agent;
  }
  agent.socket = std::move(rank.agent);
  agent.lender = std::make_shared<Lender>(*this, rank.number, rank.life);
  return agent;
}

std::uint32_t RankPool::alive() {
  std::lock_guard const lock(mutex_);
  return ranks_ - 1 - lost_;
}

}  // namespace cohort
