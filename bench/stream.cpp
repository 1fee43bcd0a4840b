// L4: a stream of int64 from a worker to its caller, pulled and subscribed, and from the caller to
// the worker, in million items a second. Against a peer that writes or reads the same items on a
// bare socket of the same kind, coalesced into large blocks. Whoever reads adds the items up.
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

class Source {
 public:
  void count(std::int64_t items, cohort::Writer<std::int64_t>& out) {
    for (std::int64_t i = 0; i < items; ++i) out.write(i);
  }
  std::int64_t sum(cohort::Stream<std::int64_t>& in) {
    std::int64_t sum = 0;
    for (auto const item : in) sum += item;
    return sum;
  }
  /// The same with a callback.
  std::int64_t sum_subscribed(cohort::Stream<std::int64_t> in) {
    std::int64_t sum = 0;
    std::move(in).subscribe([&](std::int64_t item) { sum += item; }).wait();
    return sum;
  }
  using Functions = cohort::FunctionList<&Source::count, &Source::sum, &Source::sum_subscribed>;
};

using Worker = cohort::Worker<Source>;

constexpr std::int64_t kItems = 2'000'000;  // in one iteration
constexpr std::int64_t kSum = kItems * (kItems - 1) / 2;
constexpr std::size_t kBlock = 256 << 10;  // larger ones gain nothing more
constexpr bench::Plan kPlan{.repetitions = 9, .iterations = 3};

// ---- the limit -------------------------------------------------------------------------------

enum class Wish : std::int64_t { kSendItems, kReceiveItems };

void send_items(int socket) {
  std::vector<std::int64_t> block(kBlock / sizeof(std::int64_t));
  for (std::int64_t sent = 0; sent < kItems;) {
    auto const count = std::min<std::size_t>(block.size(), static_cast<std::size_t>(kItems - sent));
    for (std::size_t i = 0; i < count; ++i) block[i] = sent++;
    bench::send_all(socket, block.data(), count * sizeof(std::int64_t));
  }
}

std::int64_t sum_items(int socket) {
  std::vector<std::int64_t> block(kBlock / sizeof(std::int64_t));
  auto* const bytes = reinterpret_cast<char*>(block.data());
  std::int64_t sum = 0;
  std::size_t filled = 0;
  for (std::int64_t received = 0; received < kItems;) {
    auto const count = bench::receive_some(socket, bytes + filled, kBlock - filled);
    demand(count > 0);
    filled += count;
    auto const whole = filled / sizeof(std::int64_t);
    for (std::size_t i = 0; i < whole; ++i) sum += block[i];
    received += static_cast<std::int64_t>(whole);
    auto const rest = filled % sizeof(std::int64_t);
    std::copy_n(bytes + filled - rest, rest, bytes);
    filled = rest;
  }
  return sum;
}

void serve_streams(int socket) {
  Wish wish{};
  while (bench::receive_all(socket, &wish, sizeof wish)) {
    if (wish == Wish::kSendItems) {
      send_items(socket);
    } else {
      auto const sum = sum_items(socket);
      bench::send_all(socket, &sum, sizeof sum);
    }
  }
}

void receive_raw(int socket) {
  auto const wish = Wish::kSendItems;
  bench::send_all(socket, &wish, sizeof wish);
  demand(sum_items(socket) == kSum);
}

void send_raw(int socket) {
  auto const wish = Wish::kReceiveItems;
  bench::send_all(socket, &wish, sizeof wish);
  send_items(socket);
  std::int64_t sum = 0;
  demand(bench::receive_all(socket, &sum, sizeof sum) && sum == kSum);
}

// ---- cohort ----------------------------------------------------------------------------------

void pull(Worker const& worker) {
  std::int64_t sum = 0;
  for (auto const item : worker.stream(cohort::fn<&Source::count>, kItems)) sum += item;
  demand(sum == kSum);
}

void subscribe(Worker const& worker) {
  std::int64_t sum = 0;
  worker.stream(cohort::fn<&Source::count>, kItems)
      .subscribe([&](std::int64_t item) { sum += item; })
      .wait();
  demand(sum == kSum);
}

template <auto Sum>
void send(Worker const& worker) {
  auto call = worker.open(cohort::fn<Sum>);
  for (std::int64_t i = 0; i < kItems; ++i) call.input.write(i);
  call.input.close();
  demand(call.result.get() == kSum);
}

// ----------------------------------------------------------------------------------------------

template <class Once>
void run_stream(benchmark::State& state, Once&& once) {
  bench::Samples samples(static_cast<std::size_t>(state.max_iterations));
  once();
  for (auto _ : state) samples.time(state, once);
  state.counters["mitems_s"] = static_cast<double>(kItems) / samples.percentile(0.5) / 1e6;
}

void register_pair(std::string const& name, int socket, Worker const& worker, void (*raw)(int),
                   void (*cohort)(Worker const&)) {
  bench::register_in_turn(
      "L4/" + name, kPlan,
      [=](benchmark::State& state) { run_stream(state, [&] { raw(socket); }); },
      [&worker, cohort](benchmark::State& state) { run_stream(state, [&] { cohort(worker); }); });
}

void register_kind(std::string const& kind, int socket, Worker const& worker) {
  register_pair("pulled/" + kind, socket, worker, &receive_raw, &pull);
  register_pair("subscribed/" + kind, socket, worker, &receive_raw, &subscribe);
  register_pair("sent:pulled/" + kind, socket, worker, &send_raw, &send<&Source::sum>);
  register_pair("sent:subscribed/" + kind, socket, worker, &send_raw,
                &send<&Source::sum_subscribed>);
}

}  // namespace

int main(int argc, char** argv) {
  if (cohort::is_worker_process()) return cohort::run_worker(cohort::app_types<Source>);
  RawPeer const unix_peer(SocketKind::kUnix, &serve_streams);
  RawPeer const tcp_peer(SocketKind::kTcp, &serve_streams);
  cohort::Cluster unix_cluster(cohort::app_types<Source>,
                               {.transport = cohort::Transport::kUnix, .settings = {}});
  cohort::Cluster tcp_cluster(cohort::app_types<Source>,
                              {.transport = cohort::Transport::kTcp, .settings = {}});
  auto const unix_worker = cohort::spawn_one<Source>(unix_cluster, {});
  auto const tcp_worker = cohort::spawn_one<Source>(tcp_cluster, {});
  register_kind("unix", unix_peer.socket(), unix_worker);
  register_kind("tcp", tcp_peer.socket(), tcp_worker);
  return bench::run_registered(argc, argv);
}
