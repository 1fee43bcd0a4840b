// The master has a worker's process in its own hands: it reads the lines that the worker writes on
// stdout and stderr, and learns how the process ended.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

#include <cohort/cohort.hpp>
#include <unistd.h>

class Talker {
 public:
  void talk(int lines) {
    for (int i = 1; i <= lines; ++i) {
      std::cout << "result " << i << '\n';
      std::cerr << "progress " << i << " of " << lines << '\n';
    }
  }

  void leave(int code) { std::exit(code); }

  using Functions = cohort::FunctionList<&Talker::talk, &Talker::leave>;
};

/// All that comes through a pipe, each line behind `tag`.
std::string read_tagged(cohort::UniqueFd const& pipe, std::string const& tag) {
  std::string all;
  bool at_start = true;
  for (char c = 0; ::read(pipe.get(), &c, 1) == 1; at_start = c == '\n') {
    if (at_start) all += tag;
    all += c;
  }
  return all;
}

void follow(cohort::ForegroundWorker<Talker> const& talker) {
  std::string err;
  {
    std::jthread const reader([&] { err = read_tagged(talker.err, "err: "); });
    std::cout << read_tagged(talker.out, "out: ");
  }
  std::cout << err;
  auto const report = talker.wait(std::chrono::seconds(10));
  std::cout << (report ? report->to_string() : "still there") << '\n';
}

int master(cohort::Cluster& cluster) {
  auto const polite = cohort::spawn_in_foreground<Talker>(cluster, {});
  polite.worker.call(cohort::fn<&Talker::talk>, 3).get();
  polite.worker.shut_down();
  follow(polite);

  auto const on_failure = [](cohort::Error const&) {};  // the report says it all
  auto const rude = cohort::spawn_in_foreground<Talker>(cluster, {.on_failure = on_failure});
  rude.worker.call(cohort::fn<&Talker::talk>, 1).get();
  rude.worker.post(cohort::fn<&Talker::leave>, 3);
  follow(rude);
  return 0;
}

int main(int argc, char** argv) { return cohort::start_app<Talker>(argc, argv, master); }
