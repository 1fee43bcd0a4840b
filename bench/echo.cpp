// L3: a vector<double> goes to a worker and comes back, in GiB/s: the payload's size, counted once,
// over the time of the whole round trip. The limit receives all of it, then sends all of it, from
// and into buffers that are used again: a function, too, runs once its argument is complete.
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bench/measure.h"
#include "bench/raw_peer.h"
#include "launch/cluster.h"
#include "launch/spawn.h"
#include "launch/worker_main.h"

namespace {

using bench::demand;
using bench::RawPeer;
using bench::SocketKind;

class Echo {
 public:
  std::vector<double> echo(std::vector<double> xs) { return xs; }
  using Functions = cohort::FunctionList<&Echo::echo>;
};

struct Size {
  std::size_t bytes;
  char const* name;
  bench::Plan plan;
};
constexpr Size kSizes[] = {{64 << 10, "64KiB", {.repetitions = 9, .iterations = 400}},
                           {1 << 20, "1MiB", {.repetitions = 9, .iterations = 40}},
                           {16 << 20, "16MiB", {.repetitions = 5, .iterations = 3}},
                           {128 << 20, "128MiB", {.repetitions = 3, .iterations = 1}}};

void serve_echo(int socket) {
  std::vector<double> buffer;
  std::uint64_t size = 0;
  while (bench::receive_all(socket, &size, sizeof size)) {
    if (buffer.size() < size / sizeof(double)) buffer.resize(size / sizeof(double));
    if (!bench::receive_all(socket, buffer.data(), size)) return;
    bench::send_all(socket, buffer.data(), size);
  }
}

template <class Once>
void run_echo(benchmark::State& state, std::size_t bytes, Once&& once) {
  bench::Samples samples(static_cast<std::size_t>(state.max_iterations));
  once();
  for (auto _ : state) samples.time(state, once);
  constexpr double kGiB = 1 << 30;
  state.counters["gib_s"] = static_cast<double>(bytes) / samples.percentile(0.5) / kGiB;
}

void run_raw(benchmark::State& state, int socket, std::size_t bytes) {
  std::vector<double> const sent(bytes / sizeof(double), 1.5);
  std::vector<double> received(sent.size());
  std::uint64_t const size = bytes;
  run_echo(state, bytes, [&] {
    bench::send_all(socket, &size, sizeof size);
    bench::send_all(socket, sent.data(), bytes);
    demand(bench::receive_all(socket, received.data(), bytes) && received.back() == 1.5);
  });
}

void run_cohort(benchmark::State& state, cohort::Worker<Echo> const& worker, std::size_t bytes) {
  std::vector<double> const sent(bytes / sizeof(double), 1.5);
  run_echo(state, bytes, [&] {
    auto const received = worker.call(cohort::fn<&Echo::echo>, sent).get();
    demand(received.size() == sent.size() && received.back() == 1.5);
  });
}

/// The argument is given away, and the result is what is sent next.
void run_cohort_moved(benchmark::State& state, cohort::Worker<Echo> const& worker,
                      std::size_t bytes) {
  std::vector<double> travelling(bytes / sizeof(double), 1.5);
  run_echo(state, bytes, [&] {
    travelling = worker.call(cohort::fn<&Echo::echo>, std::move(travelling)).get();
    demand(travelling.size() == bytes / sizeof(double) && travelling.back() == 1.5);
  });
}

void register_kind(std::string const& kind, int socket, cohort::Worker<Echo> const& worker) {
  for (auto const& size : kSizes) {
    auto const raw = [=](benchmark::State& state) { run_raw(state, socket, size.bytes); };
    auto const name = std::string(size.name) + '/' + kind;
    bench::register_in_turn("L3/echo:" + name, size.plan, raw,
                            [&, size](auto& state) { run_cohort(state, worker, size.bytes); });
    if (kind != "unix") continue;
    bench::register_in_turn("L3/moved:" + name, size.plan, raw, [&, size](auto& state) {
      run_cohort_moved(state, worker, size.bytes);
    });
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (cohort::is_worker_process()) return cohort::run_worker(cohort::app_types<Echo>);
  RawPeer const unix_peer(SocketKind::kUnix, &serve_echo);
  RawPeer const tcp_peer(SocketKind::kTcp, &serve_echo);
  cohort::Cluster unix_cluster(cohort::app_types<Echo>,
                               {.transport = cohort::Transport::kUnix, .settings = {}});
  cohort::Cluster tcp_cluster(cohort::app_types<Echo>,
                              {.transport = cohort::Transport::kTcp, .settings = {}});
  auto const unix_worker = cohort::spawn_one<Echo>(unix_cluster, {});
  auto const tcp_worker = cohort::spawn_one<Echo>(tcp_cluster, {});
  register_kind("unix", unix_peer.socket(), unix_worker);
  register_kind("tcp", tcp_peer.socket(), tcp_worker);
  return bench::run_registered(argc, argv);
}
