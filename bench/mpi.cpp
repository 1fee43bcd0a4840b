// L10, L12, and L2 to L5, over MPI: a worker by MPI_Comm_spawn, or under `mpirun -n 3` a rank,
// against a bare process that was started with the same parameters and answers the same bytes by
// MPI_Isend, MPI_Irecv and MPI_Test. Both sides really exchange the payloads, and poll while they
// wait. The bare process polls for ever, so it is stopped while cohort is measured. Who has slept
// is woken over a socket, so L12 is held against a bare one.
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <mpi.h>
#include <sched.h>
#include <unistd.h>

#include "bench/measure.h"
#include "bench/pipeline.h"
#include "bench/raw_calls.h"
#include "bench/raw_peer.h"
#include "launch/cluster.h"
#include "launch/mpi_backend.h"
#include "launch/ranks.h"
#include "launch/spawn.h"
#include "launch/worker_main.h"

namespace {

using bench::demand;
using bench::RawMessage;
constexpr std::int64_t kPipelinedCalls = 40'000;  // in one iteration
constexpr std::int64_t kWindow = 64;
constexpr std::int64_t kStreamed = 2'000'000;
constexpr std::size_t kBatch = 30 << 10;  // of a stream, as cohort's
constexpr std::int64_t kWarmUpCalls = 2'000;
constexpr std::size_t kLargest = 16 << 20;

class Answerer {
 public:
  std::int64_t increment(std::int64_t x) { return x + 1; }
  std::vector<double> echo(std::vector<double> values) { return values; }
  void count(std::int64_t n, cohort::Writer<std::int64_t>& out) {
    for (std::int64_t i = 0; i < n; ++i) out.write(i);
  }
  using Functions = cohort::FunctionList<&Answerer::increment, &Answerer::echo, &Answerer::count>;
};

// ---- the bare process ------------------------------------------------------------------------

enum RawTag : int { kCall = 1, kEcho, kStream, kEnd };

/// The processor is lent now and then, since there may be more processes than cores.
void look_again() {
  constexpr unsigned kLooksPerYield = 64;
  static unsigned looks = 0;
  if (++looks % kLooksPerYield == 0) ::sched_yield();
}
void wait(MPI_Request& request) {
  for (int done = 0; MPI_Test(&request, &done, MPI_STATUS_IGNORE), done == 0;) look_again();
}
struct Peer {
  MPI_Comm communicator = MPI_COMM_NULL;
  int rank = 0;
};

void send(void const* data, std::size_t size, int tag, Peer peer) {
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Isend(data, static_cast<int>(size), MPI_BYTE, peer.rank, tag, peer.communicator, &request);
  wait(request);
}
void receive(void* data, std::size_t size, int tag, Peer peer) {
  MPI_Request request = MPI_REQUEST_NULL;
  MPI_Irecv(data, static_cast<int>(size), MPI_BYTE, peer.rank, tag, peer.communicator, &request);
  wait(request);
}

/// Rank 0 is the master, 1 the worker, 2 the bare peer; alone where this is no such job.
constexpr std::uint32_t kBareRank = 2;
std::optional<std::uint32_t> own_rank() {
  auto const place = cohort::required_mpi_backend().place_in_job();
  if (!place || place->size != kBareRank + 1) return std::nullopt;
  return place->rank;
}

/// Tells its master its process id.
Peer enter_as_bare_peer() {
  MPI_Init(nullptr, nullptr);
  Peer master;
  MPI_Comm_get_parent(&master.communicator);
  if (master.communicator == MPI_COMM_NULL) master.communicator = MPI_COMM_WORLD;
  auto const pid = ::getpid();
  send(&pid, sizeof pid, kCall, master);
  return master;
}

/// Is there until it is killed.
[[noreturn]] void be_bare_sleeper() {
  static_cast<void>(enter_as_bare_peer());
  for (;;) ::pause();
}

/// Answers until it is told to end.
int be_bare_peer() {
  auto const master = enter_as_bare_peer();
  std::vector<std::byte> memory(kLargest);
  for (;;) {
    MPI_Status status;
    int there = 0;
    while (MPI_Iprobe(0, MPI_ANY_TAG, master.communicator, &there, &status), there == 0) {
      look_again();
    }
    int size = 0;
    MPI_Get_count(&status, MPI_BYTE, &size);
    auto const bytes = static_cast<std::size_t>(size);
    receive(memory.data(), bytes, status.MPI_TAG, master);
    if (status.MPI_TAG == kEnd) ::_exit(0);
    if (status.MPI_TAG == kCall) ++reinterpret_cast<RawMessage*>(memory.data())->value;
    if (status.MPI_TAG != kStream) {
      send(memory.data(), bytes, status.MPI_TAG, master);
      continue;
    }
    for (std::size_t left = kStreamed * sizeof(std::int64_t); left > 0;) {
      auto const batch = std::min(left, kBatch);
      send(memory.data(), batch, kStream, master);
      left -= batch;
    }
  }
}

MPI_Comm spawn_bare(std::string argument) {
  auto const executable = "/proc/" + std::to_string(::getpid()) + "/exe";
  char* arguments[] = {argument.data(), nullptr};
  auto peer = MPI_COMM_NULL;
  demand(MPI_Comm_spawn(executable.c_str(), arguments, 1, MPI_INFO_NULL, 0, MPI_COMM_SELF, &peer,
                        MPI_ERRCODES_IGNORE) == MPI_SUCCESS);
  return peer;
}

/// One at a time.
void spawn_bare_sleepers(int count, std::vector<pid_t>& pids) {
  for (int i = 0; i < count; ++i) {
    Peer const peer{spawn_bare("--bare-sleeper"), 0};
    receive(&pids.emplace_back(), sizeof(pid_t), kCall, peer);
  }
}

class BarePeer {
 public:
  BarePeer() {
    if (own_rank()) {
      peer_ = {MPI_COMM_WORLD, kBareRank};
    } else {
      peer_.communicator = spawn_bare("--bare-peer");
    }
    receive(&pid_, sizeof pid_, kCall, peer_);
    stop();
  }
  ~BarePeer() {
    wake();
    send(nullptr, 0, kEnd, peer_);
  }
  void wake() const { ::kill(pid_, SIGCONT); }
  void stop() const { ::kill(pid_, SIGSTOP); }

  void call(std::int64_t x) {
    RawMessage message{.header = {}, .value = x};
    send(&message, sizeof message, kCall, peer_);
    receive(&message, sizeof message, kCall, peer_);
    demand(message.value == x + 1);
  }
  void pipeline() {
    std::vector<RawMessage> sent(kWindow);
    std::vector<RawMessage> received(kWindow);
    std::vector<MPI_Request> sends(kWindow, MPI_REQUEST_NULL);
    std::vector<MPI_Request> receives(kWindow, MPI_REQUEST_NULL);
    for (std::int64_t x = 0; x < kPipelinedCalls + kWindow; ++x) {
      auto const i = static_cast<std::size_t>(x % kWindow);
      if (x >= kWindow) {
        wait(receives[i]);
        demand(received[i].value == x - kWindow + 1);
      }
      if (x >= kPipelinedCalls) continue;
      wait(sends[i]);
      sent[i].value = x;
      MPI_Irecv(&received[i], sizeof(RawMessage), MPI_BYTE, peer_.rank, kCall, peer_.communicator,
                &receives[i]);
      MPI_Isend(&sent[i], sizeof(RawMessage), MPI_BYTE, peer_.rank, kCall, peer_.communicator,
                &sends[i]);
    }
    for (auto& each : sends) wait(each);
  }
  void echo(std::vector<double>& values) {
    auto const bytes = values.size() * sizeof(double);
    send(values.data(), bytes, kEcho, peer_);
    receive(values.data(), bytes, kEcho, peer_);
  }
  void stream() {
    std::vector<std::byte> batch(kBatch);
    send(nullptr, 0, kStream, peer_);
    for (std::size_t left = kStreamed * sizeof(std::int64_t); left > 0;) {
      auto const size = std::min(left, kBatch);
      receive(batch.data(), size, kStream, peer_);
      left -= size;
    }
  }

 private:
  Peer peer_;
  pid_t pid_ = 0;
};

// ---- cohort ----------------------------------------------------------------------------------

using Worker = cohort::Worker<Answerer>;

void call(Worker const& worker, std::int64_t x) {
  demand(worker.call(cohort::fn<&Answerer::increment>, x).get() == x + 1);
}

void echo(Worker const& worker, std::vector<double>& values) {
  values = worker.call(cohort::fn<&Answerer::echo>, std::as_const(values)).get();
}

void stream(Worker const& worker) {
  std::int64_t next = 0;
  for (auto const value : worker.stream(cohort::fn<&Answerer::count>, kStreamed)) {
    demand(value == next++);
  }
  demand(next == kStreamed);
}

// ---- measuring -------------------------------------------------------------------------------

/// The median of several, as a rate of `amount` a second.
template <class Once>
void run_rate(benchmark::State& state, char const* counter, double amount, Once&& once) {
  bench::Samples samples(static_cast<std::size_t>(state.max_iterations));
  once();
  for (auto _ : state) samples.time(state, once);
  state.counters[counter] = amount / samples.percentile(0.5);
}

/// It answers as long as this lives.
class Awake {
 public:
  explicit Awake(BarePeer const& peer) : peer_(peer) { peer_.wake(); }
  ~Awake() { peer_.stop(); }
  Awake(Awake const&) = delete;
  Awake& operator=(Awake const&) = delete;

 private:
  BarePeer const& peer_;
};

void register_all(BarePeer& peer, int socket, Worker const& worker) {
  std::string const where = own_rank() ? "ranks" : "mpi";

  bench::register_in_turn(
      "L10/call/" + where, {.repetitions = 9, .iterations = 10'000},
      [&](benchmark::State& state) {
        Awake const awake(peer);
        bench::time_calls(state, {.warm_up = kWarmUpCalls}, [&](std::int64_t x) { peer.call(x); });
      },
      [&](benchmark::State& state) {
        bench::time_calls(state, {.warm_up = kWarmUpCalls},
                          [&](std::int64_t x) { call(worker, x); });
      });
  bench::register_after_a_pause(where, socket, [&](std::int64_t x) { call(worker, x); });
  bench::register_in_turn(
      "L2/pipelined:64/" + where, {.repetitions = 5, .iterations = 3},
      [&](benchmark::State& state) {
        Awake const awake(peer);
        run_rate(state, "mcalls_s", kPipelinedCalls / 1e6, [&] { peer.pipeline(); });
      },
      [&](benchmark::State& state) {
        run_rate(state, "mcalls_s", kPipelinedCalls / 1e6,
                 [&] { bench::pipeline<&Answerer::increment>(worker, kWindow, kPipelinedCalls); });
      });
  for (std::size_t const kib : {64, 1024, 16384}) {
    auto const both_ways = 2.0 * static_cast<double>(kib << 10) / (1 << 30);
    auto const values = [kib] { return std::vector<double>((kib << 10) / sizeof(double), 1.5); };
    bench::register_in_turn(
        "L3/echo:" + std::to_string(kib) + "KiB/" + where, {.repetitions = 5, .iterations = 10},
        [&peer, both_ways, values](benchmark::State& state) {
          Awake const awake(peer);
          auto data = values();
          run_rate(state, "gib_s", both_ways, [&] { peer.echo(data); });
        },
        [&worker, both_ways, values](benchmark::State& state) {
          auto data = values();
          run_rate(state, "gib_s", both_ways, [&] { echo(worker, data); });
        });
  }
  bench::register_in_turn(
      "L4/stream/" + where, {.repetitions = 5, .iterations = 3},
      [&](benchmark::State& state) {
        Awake const awake(peer);
        run_rate(state, "mitems_s", kStreamed / 1e6, [&] { peer.stream(); });
      },
      [&](benchmark::State& state) {
        run_rate(state, "mitems_s", kStreamed / 1e6, [&] { stream(worker); });
      });
}

/// Until all have answered. They end behind the clock's back.
void register_spawn(cohort::Cluster& cluster) {
  constexpr std::uint32_t kWorkers = 32;
  auto const run = [](benchmark::State& state, auto const& once) {
    bench::Samples samples(1);
    for (auto _ : state) samples.time(state, once);
    state.counters["ms"] = samples.percentile(0.5) * 1e3;
  };
  bench::register_in_turn(
      "L5/spawn:" + std::to_string(kWorkers) + "/mpi", {.repetitions = 3, .iterations = 1},
      [run](benchmark::State& state) {
        std::vector<pid_t> pids;
        run(state, [&] { spawn_bare_sleepers(kWorkers, pids); });
        for (auto const pid : pids) ::kill(pid, SIGKILL);
      },
      [run, &cluster](benchmark::State& state) {
        std::vector<Worker> workers;
        run(state, [&] {
          workers = cohort::spawn<Answerer>(cluster, {.count = kWorkers});
          std::vector<cohort::Future<std::int64_t>> answers;
          for (auto const& each : workers) {
            answers.push_back(each.call(cohort::fn<&Answerer::increment>, 1));
          }
          for (auto& each : answers) demand(each.get() == 2);
        });
        for (auto const& each : workers) each.shut_down();
        for (auto const& each : workers) demand(each.wait_until_ended(std::chrono::seconds(60)));
      });
}

}  // namespace

int main(int argc, char** argv) {
  if (cohort::is_worker_process()) return cohort::run_worker(cohort::app_types<Answerer>);
  if (argc > 1 && std::strcmp(argv[1], "--bare-peer") == 0) return be_bare_peer();
  if (argc > 1 && std::strcmp(argv[1], "--bare-sleeper") == 0) be_bare_sleeper();
  cohort::ClusterOptions const options{
      .launcher = own_rank() ? cohort::Launcher::kRanks : cohort::Launcher::kMpi,
      .mpi = {.oversubscribe = true}};
  if (own_rank() == kBareRank) {
    cohort::required_mpi_backend().prepare_rank(options.mpi);
    return be_bare_peer();
  }
  cohort::run_as_rank(options);
  bench::RawPeer const socket_peer(bench::SocketKind::kUnix, &bench::serve_calls);
  cohort::Cluster cluster(cohort::app_types<Answerer>, options);
  BarePeer peer;
  auto const worker = cohort::spawn_one<Answerer>(cluster, {});
  register_all(peer, socket_peer.socket(), worker);
  if (!own_rank()) register_spawn(cluster);
  return bench::run_registered(argc, argv);
}
