#include "tests/conformance/workers.h"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>

#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#undef NDEBUG  // the failed assertion is to fail in release builds too
#include <cassert>

namespace conformance {

using cohort::fn;
using namespace std::chrono_literals;

constexpr auto kBound = 20s;

/// Deeper than any stack; what it returns keeps the recursion from being made a loop.
[[gnu::noinline]] int dig(int depth) {
  char volatile room[4096] = {};
  room[depth % 4096] = 1;
  return depth < 0 ? 0 : dig(depth + 1) + room[0];
}

void lose_what_arrives() {
  // TCP's filters see the segment from its header on, whose length is in the upper half of byte 12.
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 12), BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
      BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 2), BPF_STMT(BPF_MISC | BPF_TAX, 0),
      BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffffu),  // no data
      BPF_STMT(BPF_RET | BPF_K, 0),
  };
  sock_fprog const filter{static_cast<unsigned short>(std::size(code)), code};
  int lost = 0;
  for (int descriptor = 0; descriptor < 1024; ++descriptor) {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    bool const connected =
        ::getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
    if (!connected || peer.sin_family != AF_INET) continue;
    if (::setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0) ++lost;
  }
  if (lost == 0) throw std::runtime_error("no connection takes a filter");
}

Everything::Everything(int start, cohort::WorkerContext const& context)
    : start_(start), context_(context) {
  if (start == -1) throw std::invalid_argument("a start of -1");
  if (start == -2) std::this_thread::sleep_for(std::chrono::hours(1));
  if (char const* folder = std::getenv("ARRIVALS")) {
    std::ofstream(std::string(folder) + '/' + std::to_string(context.index)) << context.count;
  }
}

std::string Everything::join(std::vector<std::string> const& parts, std::string separator) {
  std::string joined;
  for (auto const& part : parts) joined += (joined.empty() ? "" : separator) + part;
  return joined;
}

std::string Everything::variable(std::string name) const {
  char const* value = std::getenv(name.c_str());
  return value == nullptr ? "(unset)" : value;
}

int Everything::pid() const { return static_cast<int>(::getpid()); }

bool Everything::compute_until_stopped(std::stop_token stop) {
  kept_.write("begun");
  auto const end = std::chrono::steady_clock::now() + kBound;
  while (!stop.stop_requested() && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(1ms);
  }
  if (stop.stop_requested()) ++received_;
  return stop.stop_requested();
}

int Everything::answer_after(std::uint32_t microseconds) {
  std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
  return start_;
}

void Everything::compute_for(std::chrono::milliseconds duration) {
  auto const end = std::chrono::steady_clock::now() + duration;
  while (std::chrono::steady_clock::now() < end) {
  }
}

void Everything::count(std::int64_t n, Writer<std::int64_t>& out) {
  try {
    for (std::int64_t i = 0; i < n; ++i) {
      out.write(i);
      received_ = i + 1;
    }
  } catch (cohort::Error const& error) {
    last_end_ = out.reason();
    remember(error);
    throw;
  }
}

int Everything::count_and_return(std::int64_t n, Writer<std::int64_t>& out) {
  count(n, out);
  return 7;
}

void Everything::count_then_fail(std::int64_t n, Writer<std::int64_t>& out) {
  count(n, out);
  throw std::runtime_error("no more");
}

void Everything::count_then_die(std::int64_t n, Writer<std::int64_t>& out) {
  count(n, out);
  out.flush();
  ::raise(SIGKILL);
}

void Everything::keep(Writer<std::string> out) { kept_ = std::move(out); }
void Everything::write_to_kept(std::string text) {
  history_.push_back(text);
  kept_.write(text);
}
void Everything::close_kept() { kept_ = {}; }
void Everything::write_on_a_thread() {
  writing_ = std::jthread([this](std::stop_token stop) {
    for (; !stop.stop_requested(); ++received_) kept_.write(std::to_string(received_));
  });
}
std::int64_t Everything::stop_writing() {
  writing_ = {};
  return received_;
}

State<std::vector<std::string>, std::string> Everything::watch_and_fail(Writer<std::string>) {
  throw std::out_of_range("nothing to watch");
}

State<std::vector<std::string>, std::string> Everything::watch(Writer<std::string> updates) {
  kept_ = std::move(updates);
  return {history_};
}

std::string Everything::how_the_last_stream_ended() const {
  return std::string(to_string(last_end_.load()));
}
std::string Everything::what_the_last_stream_threw() { return std::exchange(last_error_, {}); }

void Everything::remember(cohort::Error const& error) {
  last_error_ = to_string(error.kind());
  std::fprintf(stderr, "the stream threw: %s\n", last_error_.c_str());
}

std::int64_t Everything::sum(Stream<std::int64_t>& in) {
  std::int64_t sum = start_;
  for (auto const value : in) sum += value;
  return sum;
}

int Everything::answer_first(Stream<std::int64_t> in) {
  sum_by_callback(std::move(in));
  return 7;
}

void Everything::sum_by_callback(Stream<std::int64_t> in) {
  std::move(in)
      .subscribe(
          [this](std::int64_t value) {
            received_ += value;
            return value >= 0;
          },
          [this](CloseReason reason) { last_end_ = reason; })
      .detach();
}

void Everything::sum_by_slow_callback(Stream<std::int64_t> in) {
  std::move(in)
      .subscribe(
          [this, told = go_on_.get_future()](std::int64_t value) {
            told.wait();
            received_ += value;
          },
          [this](CloseReason reason) { last_end_ = reason; })
      .detach();
}

void Everything::hold(Stream<std::int64_t> in) { held_ = std::move(in); }

std::int64_t Everything::sum_held() { return sum(held_); }

void Everything::read_one_then_fail(Stream<std::int64_t>& in) {
  throw std::length_error("no more than " + std::to_string(in.next().value()));
}

void Everything::ping_pong(Stream<int>& in, Writer<int>& out) {
  try {
    for (int const value : in) out.write(value + 1);
    last_end_ = in.reason();
  } catch (cohort::Error const& error) {
    last_end_ = out.reason();
    remember(error);
    if (last_end_ != CloseReason::kClosedByPeer) throw;
  }
}

void Everything::fail_in_a_callback(Stream<int> in) {
  std::move(in).subscribe([](int) { throw std::runtime_error("too much in a callback"); }).detach();
}

std::string Everything::greet_by(cohort::WorkerRef<Everything> ref, std::string who) {
  return cohort::connect(context_, ref, who).call(fn<&Everything::greet>).get();
}

void Everything::feed(cohort::WorkerRef<Everything> ref) {
  auto const other = cohort::connect(context_, ref, "feeder");
  auto open = other.open(fn<&Everything::sum_by_callback>);
  open.result.get();
  for (;;) open.input.write(1);
}

int Everything::add_by_own_worker(int a, int b) {
  if (own_.empty()) own_.push_back(cohort::spawn_one<Everything>(context_.cluster(), {}, start_));
  return own_.front().call(fn<&Everything::add>, a, b).get();
}

int Everything::wait_for_own_worker_that_hangs() {
  own_.push_back(cohort::spawn_one<Everything>(context_.cluster(), {}, -2));
  return 0;
}

cohort::Settings Everything::settings_of_own_worker() {
  own_.push_back(cohort::spawn_one<Everything>(context_.cluster(), {}, start_));
  return own_.back().settings();
}

/// The ids of workers below this one, each spawned by the one before it. They stay.
std::string Everything::chain(int depth) {
  auto const me = context_.id.to_string() + ':' + std::to_string(pid());
  if (depth == 0) return me;
  own_.push_back(cohort::spawn_one<Everything>(context_.cluster(), {}, start_));
  return me + ' ' + own_.back().call(fn<&Everything::chain>, depth - 1).get();
}

void Everything::outlive(cohort::WorkerRef<Everything> other, cohort::WorkerRef<Everything> itself,
                         std::string file, Stream<int>& in) {
  try {
    while (in.next()) {
    }
  } catch (cohort::Error const&) {  // kDisconnected
  }
  auto const handle = cohort::connect(context_, other, "survivor");
  std::ofstream(file) << handle.call(fn<&Everything::add>, 1, 2).get();
  handle.shut_down();
  cohort::connect(context_, itself).shut_down();
}

void Everything::print(std::string out, std::string err) {
  std::fputs(out.c_str(), stdout);
  std::fflush(stdout);
  std::fputs(err.c_str(), stderr);
}

std::string Everything::read_word() {
  char word[16] = {};
  return std::scanf("%15s", word) == 1 ? word : "";
}

void Everything::print_lines(std::uint64_t bytes) {
  std::uint64_t written = 0;
  for (int i = 0; written < bytes; ++i) {
    written += static_cast<std::uint64_t>(
        std::printf("line %07d of many, long enough to fill a pipe before long\n", i));
  }
  std::fflush(stdout);
}

void Everything::raise(int signal) { ::raise(signal); }

void Everything::die_on_a_thread(std::string text) {
  std::thread([text] { throw std::runtime_error(text); }).join();
}

void Everything::die(std::string how) {
  std::fputs("last words\n", stderr);
  bool const the_world_is_flat = ::getpid() < 0;
  if (how == "assertion") assert(the_world_is_flat);
  if (how == "stack") std::printf("%d", dig(0));
  if (how == "terminate") std::terminate();
  if (how == "its thread") ::pthread_exit(nullptr);
  if (how == "null pointer") throw nullptr;  // NOLINT: that is the point
  if (how == "null text") {
    struct NullText : std::exception {
      char const* what() const noexcept override { return nullptr; }
    };
    throw NullText();
  }
  ::_exit(3);
}

std::uint64_t Everything::allocate(std::uint64_t bytes, std::uint64_t limit) {
  rlimit const allowed{limit, RLIM_INFINITY};
  ::setrlimit(RLIMIT_AS, &allowed);
  return std::vector<char>(bytes).size();
}

void Everything::lose_what_arrives() { conformance::lose_what_arrives(); }

void Crowd::count_together(int n, int calls, Writer<int>& out) {
  static_cast<void>(meet(calls));
  for (int i = 0; i < n; ++i) out.write(i);
}

bool Crowd::meet(int calls) {
  std::unique_lock lock(mutex_);
  ++inside_;
  met_.notify_all();
  return met_.wait_for(lock, kBound, [&] { return inside_ >= calls; });
}

void Crowd::meet_and_fail(int calls) {
  meet(calls);
  throw std::runtime_error("after a meeting");
}

bool Crowd::wait_for_stop(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  std::condition_variable_any never;
  never.wait_for(lock, stop, kBound, [] { return false; });
  return stop.stop_requested();
}

}  // namespace conformance
