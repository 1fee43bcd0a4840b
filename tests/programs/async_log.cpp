// Three processes follow what a worker logs while it computes: the master, and two other workers
// that reach it by its ref. Each chooses its own level.
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include <cohort/cohort.hpp>
#include <unistd.h>

using cohort::LogLevel;

class Solver {
 public:
  void solve(int steps) {
    for (int step = 1; step <= steps; ++step) {
      cohort::log(LogLevel::kDebug, "residual of step " + std::to_string(step));
      cohort::log(LogLevel::kInfo, "step " + std::to_string(step) + " is done");
    }
    cohort::log(LogLevel::kInfo, "solved");
  }

  int pid() const { return ::getpid(); }

  using Functions = cohort::FunctionList<&Solver::solve, &Solver::pid>;
};

/// What is heard up to "solved".
std::vector<std::string> read_log(cohort::Stream<cohort::LogRecord>& log) {
  std::vector<std::string> lines;
  for (auto const& record : log) {
    lines.push_back("worker " + record.worker + ", " + std::string(to_string(record.level)) + ": " +
                    record.text);
    if (record.text == "solved") break;
  }
  return lines;
}

class Follower {
 public:
  using Init = std::pair<cohort::WorkerRef<Solver>, LogLevel>;
  Follower(Init const& what, cohort::WorkerContext const& context)
      : solver_(cohort::connect(context, what.first)), log_(solver_.log(what.second)) {
    solver_.call(cohort::fn<&Solver::pid>).get();  // answered behind the subscription
  }

  std::vector<std::string> lines() { return read_log(log_); }

  using Functions = cohort::FunctionList<&Follower::lines>;

 private:
  cohort::Worker<Solver> solver_;
  cohort::Stream<cohort::LogRecord> log_;
};

void print(char const* who, std::vector<std::string> const& lines) {
  std::cout << who << " heard:\n";
  for (auto const& line : lines) std::cout << "  " << line << '\n';
}

int master(cohort::Cluster& cluster) {
  auto const solver = cohort::spawn_one<Solver>(cluster, {});
  auto const thorough =
      cohort::spawn_one<Follower>(cluster, {}, std::pair(solver.ref(), LogLevel::kDebug));
  auto const brief =
      cohort::spawn_one<Follower>(cluster, {}, std::pair(solver.ref(), LogLevel::kInfo));
  auto log = solver.log(LogLevel::kInfo);

  solver.post(cohort::fn<&Solver::solve>, 2);
  print("the master", read_log(log));
  print("a thorough follower", thorough.call(cohort::fn<&Follower::lines>).get());
  print("a brief follower", brief.call(cohort::fn<&Follower::lines>).get());
  return 0;
}

int main(int argc, char** argv) { return cohort::start_app<Solver, Follower>(argc, argv, master); }
