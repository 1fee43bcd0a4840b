// Both sides of a connection in one process, each with an engine of its own, as in two processes.
// The worker's functions run on a thread of the Peers; the caller's side is driven by the test.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/call.h"
#include "core/connection.h"
#include "core/dispatcher.h"
#include "tests/support/waiting.h"
#include "transports/inproc_channel.h"

namespace cohort::test {

enum class Transport { kInproc, kUnix, kTcp };
void PrintTo(Transport transport, std::ostream* out);

using ChannelPair = std::pair<std::unique_ptr<Channel>, std::unique_ptr<Channel>>;
[[nodiscard]] ChannelPair make_channels(Transport transport);

/// Small and quick, for tests; heartbeats hardly ever.
[[nodiscard]] Settings test_settings();

/// Records what a connection tells, and fails its calls when it ends.
class CallerSide : public ConnectionHandler {
 public:
  std::shared_ptr<Connection> connection;
  Signal ended;
  Signal dying;
  // Good once the signal is set.
  End end{};
  std::string end_text;
  RemoteFailure last_words;

  std::shared_ptr<Batch> on_calls(std::shared_ptr<Batch> batch) override { return batch; }
  void on_cancel(CallId) override {}
  void on_shutdown(bool) override {}
  void on_dying(RemoteFailure failure) override;
  void on_end(End how, std::string text) override;
};

/// Gives calls to a dispatcher, as a worker process does.
class WorkerSide : public ConnectionHandler {
 public:
  explicit WorkerSide(Engine& engine) : dispatcher(engine) {}

  Dispatcher dispatcher;
  std::shared_ptr<Connection> connection;
  std::shared_ptr<Client> client = std::make_shared<Client>();
  Signal ended;
  End end{};
  std::string end_text;
  std::atomic<int> cancels{0};  // that arrived and were given to the dispatcher

  std::shared_ptr<Batch> on_calls(std::shared_ptr<Batch> batch) override {
    if (!client->connection) client->connection = connection;
    return dispatcher.enqueue(client, std::move(batch));
  }
  void on_cancel(CallId call) override {
    dispatcher.cancel(*client, call);
    ++cancels;
  }
  void on_shutdown(bool after_calls) override {
    after_calls ? dispatcher.finish_calls() : dispatcher.stop();
  }
  void on_dying(RemoteFailure) override {}
  void on_end(End how, std::string text) override;
};

template <class W, class List>
struct FunctionsOf;
template <class W, auto... Members>
struct FunctionsOf<W, FunctionList<Members...>> {
  static constexpr std::array<FunctionEntry, sizeof...(Members)> value{
      function_entry<W, Members>...};
};

/// Calls W's function Member over the connection, as Worker<W>::call does.
template <class W, auto Member, class... Args>
Future<ResultOf<Member>> call(std::shared_ptr<Connection> const& connection, Fn<Member>,
                              Args&&... args) {
  static_assert(CheckedArguments<Member, Args...>::ok);
  return detail::start_call<Member>(connection, CheckedFunction<W, Member>::id,
                                    std::forward<Args>(args)...);
}

template <class W>
class Peers {
 public:
  explicit Peers(Transport transport = Transport::kInproc,
                 Settings const& settings = test_settings())
      : Peers(make_channels(transport), settings) {}
  Peers(ChannelPair channels, Settings const& settings = test_settings(),
        Provenance const& worker_place = {.worker = WorkerId{3}, .host = "node7", .pid = 42})
      : worker_side(worker_engine) {
    worker_side.dispatcher.serve(&object, FunctionsOf<W, typename W::Functions>::value);
    caller_side.connection = std::make_shared<Connection>(caller_engine, std::move(channels.first),
                                                          settings, worker_place, caller_side);
    worker_side.connection = std::make_shared<Connection>(worker_engine, std::move(channels.second),
                                                          settings, Provenance{}, worker_side);
    worker_side.connection->start();
    caller_side.connection->start();
    thread_ = std::thread([this] { worker_side.dispatcher.run(); });
  }
  ~Peers() { stop(); }

  /// Ends both sides. Calls that wait fail. Idempotent.
  void stop() {
    caller_side.connection->close(ErrorKind::kDisconnected, "the test is over");
    worker_side.dispatcher.stop();
    if (thread_.joinable()) thread_.join();
    worker_side.connection->close(ErrorKind::kDisconnected, "the test is over");
  }

  template <auto Member, class... Args>
  Future<ResultOf<Member>> call(Fn<Member> function, Args&&... args) {
    return test::call<W>(caller_side.connection, function, std::forward<Args>(args)...);
  }
  template <auto Member, class... Args>
  OpenCallOf<Member> open(Fn<Member>, Args&&... args) {
    return detail::open_call<Member>(caller_side.connection, CheckedFunction<W, Member>::id,
                                     std::forward<Args>(args)...);
  }
  [[nodiscard]] Connection& connection() { return *caller_side.connection; }

  Engine caller_engine;
  Engine worker_engine;
  W object;
  CallerSide caller_side;
  WorkerSide worker_side;

 private:
  std::thread thread_;
};

/// The other end of a Connection, played by the test byte by byte.
class RawPeer {
 public:
  explicit RawPeer(std::unique_ptr<Channel> channel) : channel_(std::move(channel)) {}

  /// Sends all of it. Returns false where the stream ended or the bound passed.
  bool send(std::span<std::byte const> bytes);
  /// The next `count` bytes; fewer where the stream ended or the bound passed.
  [[nodiscard]] std::vector<std::byte> receive(std::size_t count);
  [[nodiscard]] Channel& channel() { return *channel_; }
  /// Closes its end.
  void hang_up() { channel_.reset(); }

 private:
  bool wait(short events);
  std::unique_ptr<Channel> channel_;
};

/// A header, and the body behind it.
[[nodiscard]] std::vector<std::byte> frame_bytes(FrameHeader header,
                                                 std::span<std::byte const> body = {});
/// The bytes that `value` is encoded to.
template <class T>
[[nodiscard]] std::vector<std::byte> encoded(T const& value) {
  Message message;
  encode(message, value);
  std::vector<std::byte> bytes;
  message.for_each_part([&](std::span<std::byte const> part) {
    bytes.insert(bytes.end(), part.begin(), part.end());
  });
  return bytes;
}

/// The Error that `action` throws; fails the test where it throws none.
template <class Action>
[[nodiscard]] Error error_of(Action&& action) {
  try {
    action();
  } catch (Error const& error) {
    return error;
  }
  throw std::logic_error("expected a cohort::Error, and nothing was thrown");
}

}  // namespace cohort::test
