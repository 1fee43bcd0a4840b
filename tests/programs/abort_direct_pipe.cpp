// Pings from a worker, pongs back to it, in one call with a stream each way. After five pings the
// caller aborts: its callback wants no more, and the worker says how its side was closed.
#include <iostream>
#include <string>
#include <utility>

#include <cohort/cohort.hpp>

class Player {
 public:
  std::string play(cohort::Stream<std::string>& pongs, cohort::Writer<std::string>& pings) {
    int round = 1;
    pings.write("ping 1");
    while (auto const pong = pongs.next()) pings.write("ping " + std::to_string(++round));
    return std::string(to_string(pings.reason())) + " in round " + std::to_string(round);
  }

  using Functions = cohort::FunctionList<&Player::play>;
};

int master(cohort::Cluster& cluster) {
  auto const worker = cohort::spawn_one<Player>(cluster, {});
  auto call = worker.open(cohort::fn<&Player::play>);

  int pings = 0;
  auto const subscription = std::move(call.output).subscribe([&](std::string const& ping) {
    std::cout << ping << '\n';
    if (++pings == 5) return false;  // aborts
    call.input.write("pong " + std::to_string(pings));
    return true;
  });
  auto const reason = subscription.wait();
  call.input.close();  // no more pongs either
  std::cout << "caller: " << to_string(reason) << '\n';
  std::cout << "worker: " << call.result.get() << '\n';
  return 0;
}

int main(int argc, char** argv) { return cohort::start_app<Player>(argc, argv, master); }
