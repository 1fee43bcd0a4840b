// L1: one call at a time, int64 to int64, p50 and p99. L2: a sliding window of calls, calls a
// second. Both against a peer on a bare socket of the same kind, whose messages have the same 32
// bytes.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "bench/pipeline.h"
#include "bench/raw_peer.h"
#include "launch/cluster.h"
#include "launch/spawn.h"
#include "launch/worker_main.h"

namespace {

using bench::demand;
using bench::RawPeer;
using bench::SocketKind;

class Adder {
 public:
  std::int64_t increment(std::int64_t x) { return x + 1; }
  using Functions = cohort::FunctionList<&Adder::increment>;
};

/// What a frame of cohort takes for one int64: 24 bytes of header, 8 of body.
struct RawMessage {
  std::array<std::byte, 24> header{};
  std::int64_t value = 0;
};
static_assert(sizeof(RawMessage) == 32);

constexpr std::size_t kBlock = 256 << 10;
constexpr std::int64_t kPipelinedCalls = 40'000;  // in one iteration
constexpr std::int64_t kWarmUpCalls = 200;

/// Reads blocks and answers each with one send.
void serve_calls(int socket) {
  std::vector<RawMessage> block(kBlock / sizeof(RawMessage));
  auto* const bytes = reinterpret_cast<char*>(block.data());
  std::size_t filled = 0;
  for (;;) {
    auto const count = bench::receive_some(socket, bytes + filled, kBlock - filled);
    if (count == 0) return;
    filled += count;
    auto const whole = filled / sizeof(RawMessage);
    for (std::size_t i = 0; i < whole; ++i) ++block[i].value;
    bench::send_all(socket, bytes, whole * sizeof(RawMessage));
    auto const done = whole * sizeof(RawMessage);
    std::memmove(bytes, bytes + done, filled - done);
    filled -= done;
  }
}

// ---- L1 --------------------------------------------------------------------------------------

void call_raw_once(int socket, std::int64_t x) {
  RawMessage message{.header = {}, .value = x};
  bench::send_all(socket, &message, sizeof message);
  demand(bench::receive_all(socket, &message, sizeof message) && message.value == x + 1);
}

void call_cohort_once(cohort::Worker<Adder> const& worker, std::int64_t x) {
  demand(worker.call(cohort::fn<&Adder::increment>, x).get() == x + 1);
}

template <class Once>
void run_sequential(benchmark::State& state, Once&& once) {
  bench::Samples samples(static_cast<std::size_t>(state.max_iterations));
  std::int64_t x = 0;
  while (x < kWarmUpCalls) once(x++);
  for (auto _ : state) {
    samples.time(state, [&] { once(x); });
    ++x;
  }
  state.counters["p50_us"] = samples.percentile(0.50) * 1e6;
  state.counters["p99_us"] = samples.percentile(0.99) * 1e6;
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
        run_sequential(state, [&](std::int64_t x) { call_raw_once(socket, x); });
      },
      [&](benchmark::State& state) {
        run_sequential(state, [&](std::int64_t x) { call_cohort_once(worker, x); });
      });
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
  RawPeer const unix_peer(SocketKind::kUnix, &serve_calls);
  RawPeer const tcp_peer(SocketKind::kTcp, &serve_calls);
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
