// L1: one call at a time, int64 to int64, p50 and p99. L2: a sliding window of calls, calls a
// second. L12: one call after a pause. All against a peer on a bare socket of the same kind, whose
// messages have the same 32 bytes.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "bench/pipeline.h"
#include "bench/raw_calls.h"
#include "bench/raw_peer.h"
#include "launch/cluster.h"
#include "launch/spawn.h"
#include "launch/worker_main.h"

namespace {

using bench::demand;
using bench::kBlock;
using bench::RawMessage;
using bench::RawPeer;
using bench::SocketKind;

class Adder {
 public:
  std::int64_t increment(std::int64_t x) { return x + 1; }
  using Functions = cohort::FunctionList<&Adder::increment>;
};

constexpr std::int64_t kWarmUpCalls = 200;
constexpr std::int64_t kPipelinedCalls = 40'000;  // in one iteration

// ---- L1 --------------------------------------------------------------------------------------

void call_cohort(cohort::Worker<Adder> const& worker, std::int64_t x) {
  demand(worker.call(cohort::fn<&Adder::increment>, x).get() == x + 1);
}

// ---- L2 --------------------------------------------------------------------------------------

void pipeline_raw(int socket, std::int64_t window, std::vector<RawMessage>& block) {
  auto* const bytes = reinterpret_cast<char*>(block.data());
  std::int64_t started = 0;
  std::int64_t ended = 0;
  std::size_t filled = 0;
  std::vector<RawMessage> calls(static_cast<std::size_t>(window));
  auto const start_calls = [&](std::int64_t most) {
    auto const count = static_cast<std::size_t>(std::min(most, kPipelinedCalls - started));
    for (std::size_t i = 0; i < count; ++i) calls[i].value = started++;
    bench::send_all(socket, calls.data(), count * sizeof(RawMessage));
  };
  start_calls(window);
  while (ended < kPipelinedCalls) {
    auto const count = bench::receive_some(socket, bytes + filled, kBlock - filled);
    demand(count > 0);
    filled += count;
    auto const whole = filled / sizeof(RawMessage);
    for (std::size_t i = 0; i < whole; ++i) demand(block[i].value == ++ended);
    auto const done = whole * sizeof(RawMessage);
    std::memmove(bytes, bytes + done, filled - done);
    filled -= done;
    start_calls(static_cast<std::int64_t>(whole));
  }
}

template <class Run>
void run_pipelined(benchmark::State& state, Run&& run) {
  bench::Samples samples(static_cast<std::size_t>(state.max_iterations));
  run();
  for (auto _ : state) samples.time(state, run);
  state.counters["mcalls_s"] = static_cast<double>(kPipelinedCalls) / samples.percentile(0.5) / 1e6;
}

void register_kind(std::string const& kind, int socket, cohort::Worker<Adder> const& worker) {
  bench::register_in_turn(
      "L1/call/" + kind, {.repetitions = 15, .iterations = 4'000},
      [=](benchmark::State& state) {
        bench::time_calls(state, {.warm_up = kWarmUpCalls},
                          [&](std::int64_t x) { bench::call_raw(socket, x); });
      },
      [&](benchmark::State& state) {
        bench::time_calls(state, {.warm_up = kWarmUpCalls},
                          [&](std::int64_t x) { call_cohort(worker, x); });
      });
  bench::register_after_a_pause(kind, socket, [&](std::int64_t x) { call_cohort(worker, x); });
  for (std::int64_t const window : {64, 1024}) {
    bench::register_in_turn(
        "L2/pipelined:" + std::to_string(window) + '/' + kind, {.repetitions = 9, .iterations = 3},
        [=](benchmark::State& state) {
          std::vector<RawMessage> block(kBlock / sizeof(RawMessage));
          run_pipelined(state, [&] { pipeline_raw(socket, window, block); });
        },
        [&, window](benchmark::State& state) {
          run_pipelined(
              state, [&] { bench::pipeline<&Adder::increment>(worker, window, kPipelinedCalls); });
        });
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (cohort::is_worker_process()) return cohort::run_worker(cohort::app_types<Adder>);
  RawPeer const unix_peer(SocketKind::kUnix, &bench::serve_calls);
  RawPeer const tcp_peer(SocketKind::kTcp, &bench::serve_calls);
  cohort::Cluster unix_cluster(cohort::app_types<Adder>,
                               {.transport = cohort::Transport::kUnix, .settings = {}});
  cohort::Cluster tcp_cluster(cohort::app_types<Adder>,
                              {.transport = cohort::Transport::kTcp, .settings = {}});
  auto const unix_worker = cohort::spawn_one<Adder>(unix_cluster, {});
  auto const tcp_worker = cohort::spawn_one<Adder>(tcp_cluster, {});
  register_kind("unix", unix_peer.socket(), unix_worker);
  register_kind("tcp", tcp_peer.socket(), tcp_worker);
  return bench::run_registered(argc, argv);
}
