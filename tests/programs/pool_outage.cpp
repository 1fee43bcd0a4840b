// A pool whose workers are killed while no others can be started, and later can. As ranks, a lost
// one is lost for good: the others go on, and the loss of the last ends the operation at once.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <ranges>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <cohort/jobs.hpp>
#include <unistd.h>

using cohort::fn;

namespace {

class Task {
 public:
  using Init = std::string;
  explicit Task(std::string const& folder) {
    if (std::filesystem::exists(folder + "/closed")) throw std::runtime_error("closed");
  }
  int pid(int) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return ::getpid();
  }
  using Functions = cohort::FunctionList<&Task::pid>;
};

using Pool = cohort::Pool<Task>;

/// Who did a hundred tasks.
std::set<int> work(Pool& pool) {
  std::set<int> pids;
  int done = 0;
  for (int const pid : pool.map(fn<&Task::pid>, std::views::iota(0, 100))) {
    pids.insert(pid);
    ++done;
  }
  if (done != 100) throw std::logic_error("tasks were lost");
  return pids;
}

void kill(std::set<int> const& pids, std::size_t how_many) {
  for (int const pid : pids) {
    if (how_many-- == 0) return;
    ::kill(pid, SIGKILL);
  }
}

void as_ranks(Pool& pool) {
  kill(work(pool), pool.size() - 1);
  std::cout << "then by " << work(pool).size() << '\n';
  kill(work(pool), 1);
  try {
    work(pool);
  } catch (cohort::Error const& error) {
    bool const says_why = error.reason().find("no rank is left") != std::string::npos &&
                          error.reason().find("none can be started any more") != std::string::npos;
    std::cout << (says_why ? "no rank is left" : error.what()) << '\n';
  }
}

void as_processes(Pool& pool, std::string const& closed) {
  std::ofstream(closed).close();
  kill(work(pool), pool.size() - 1);
  std::cout << "then by " << work(pool).size() << '\n';
  std::filesystem::remove(closed);
  while (pool.working() != pool.size()) work(pool);
  std::cout << "then by " << pool.working() << '\n';
  kill(work(pool), pool.size());
  while (work(pool).size() != pool.size()) {
  }
  std::cout << "then by " << pool.working() << '\n';
}

int master(cohort::Cluster& cluster) {
  std::string folder = std::filesystem::temp_directory_path() / "cohort_outage_XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error("mkdtemp");
  {
    Pool pool(cluster,
              {.spawn = {.count = 3, .on_failure = [](cohort::Error const&) {}},
               .give_up_after = std::chrono::hours(24)},
              folder);
    while (work(pool).size() != pool.size()) {
    }
    std::cout << "by " << pool.size() << '\n';
    bool const ranks = cluster.options().launcher == cohort::Launcher::kRanks &&
                       !cluster.options().mpi.replace_ranks;
    ranks ? as_ranks(pool) : as_processes(pool, folder + "/closed");
  }
  std::filesystem::remove_all(folder);
  return 0;
}

}  // namespace

int main(int argc, char** argv) { return cohort::start_app<Task>(argc, argv, master); }
