// The worker's side of a session: one object of a worker type, and everybody who calls it. The
// process around it, or the thread, is its owner's business (worker_main.cpp, served_worker.cpp).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "core/dispatcher.h"
#include "launch/listener.h"
#include "launch/log.h"
#include "launch/runtime.h"

namespace cohort {

class Cluster;

class Server : public std::enable_shared_from_this<Server> {
 public:
  struct Hooks {
    /// The owner's connection ended. Under the I/O lock.
    std::function<void(ConnectionHandler::End)> on_owner_end;
    /// Somebody asks the worker to end, and not to run what waits. Under the I/O lock.
    std::function<void()> on_shutdown;
    /// Tells the owner that this is an orderly end, where its connection for calls is not the one
    /// to
    /// say so; once all that was sent there is on its way.
    std::function<void(Deadline)> say_goodbye{};
    /// A one-way call, or a callback of a stream, threw. On the thread that ran it.
    std::function<void(RemoteFailure)> on_background_failure;
    /// No call runs any more, and none will; the callbacks that may use the object are waited for
    /// next. On the thread of run().
    std::function<void()> on_stopped{};
  };

  Server(std::shared_ptr<Runtime> runtime, WorkerId id, Settings const& settings, Hooks hooks);
  ~Server();

  /// Serves a peer that is trusted. The owner's calls construct the object.
  std::shared_ptr<Connection> add_client(std::unique_ptr<Channel> channel, Provenance peer,
                                         std::span<std::byte const> leftover, bool is_owner);
  /// Runs calls on this thread until stop(); then destroys sessions and object.
  void run();
  /// Any thread: calls that wait are dropped, those that run see their stop tokens and streams end.
  void stop();
  /// Tells all clients but the owner what this worker ends of.
  void tell_others_of_death(RemoteFailure const& what);
  /// The same for a terminate handler, in any state: whom it cannot tell before the deadline sees
  /// the connection end.
  void send_others_last_words(RemoteFailure const& what, Deadline deadline) noexcept;
  /// Tells every client that this is an orderly end, and closes; the owner last, who ends the
  /// process soon after. After run().
  void say_goodbye(bool orderly, Deadline deadline);
  /// The same for all but the owner.
  void say_goodbye_to_others(bool orderly, Deadline deadline);

  [[nodiscard]] std::shared_ptr<Runtime> const& runtime() const noexcept { return runtime_; }
  /// Whether the object's constructor has returned. Any thread.
  [[nodiscard]] bool constructed() const noexcept { return constructed_.load(); }
  /// The worker's own workers; made when it is first asked for. From the worker's functions.
  [[nodiscard]] Cluster& cluster();

  // What every worker offers to everybody, answered at once, also while a function runs.

  /// Where other processes of the session may connect. Throws after close_server().
  Endpoint endpoint();
  Settings settings() const { return settings_; }
  /// Takes no new clients; those that are there stay.
  void close_server();
  /// Sends log records of this process from `level` up, at most so many a second.
  void subscribe_to_log(LogLevel level, std::uint32_t per_second, Writer<LogRecord> out);

  using Functions = FunctionList<&Server::endpoint, &Server::settings, &Server::close_server,
                                 &Server::subscribe_to_log>;

 private:
  class Guest;

  static void construct(void* server, std::span<std::byte const> bytes, CallContext& context,
                        Reply& reply);
  static void explain(void* server, std::span<std::byte const> bytes, CallContext& context,
                      Reply& reply);
  static void open_session(void* server, std::span<std::byte const> bytes, CallContext& context,
                           Reply& reply);
  /// What is left of a client whose connection has ended: calls that wait, a session.
  struct Departed {
    std::weak_ptr<Client> client;
    std::shared_ptr<void> session;
  };

  void end();
  void on_bad_post(Client& client, RemoteFailure what);
  [[nodiscard]] std::vector<std::shared_ptr<Guest>> all_guests();
  static void interrupt_streams(Guest& guest);
  std::size_t answer_quick_calls(Client& client, Batch& batch);
  void part_with(Guest const& guest);
  void forget(std::list<Departed>::iterator departed);
  bool take_stranger(HandshakeSource::Outcome& outcome);

  std::shared_ptr<Runtime> const runtime_;
  WorkerId const id_;
  Settings const settings_;
  Hooks const hooks_;
  Dispatcher dispatcher_;
  WorkerTypeEntry const* type_ = nullptr;
  void* object_ = nullptr;
  std::atomic<bool> constructed_{false};
  std::mutex cluster_mutex_;  // not mutex_, which handlers take
  std::unique_ptr<Cluster> cluster_;

  std::mutex mutex_;
  std::vector<std::shared_ptr<Guest>> guests_;
  std::list<Departed> departed_;
  bool stopped_ = false;  // run() sees to all sessions
  std::shared_ptr<Listener> listener_;
  bool closed_ = false;
};

/// Cohort's own functions, by their place: these two and kExplainFunction need more than their
/// arguments.
inline constexpr FunctionId kConstructFunction{kFirstBuiltinFunction};
inline constexpr FunctionId kOpenSessionFunction{kFirstBuiltinFunction + 1};
inline constexpr auto kFirstQuickFunction = static_cast<std::uint32_t>(kExplainFunction);
template <auto Member>
inline constexpr FunctionId kBuiltin{
    kFirstQuickFunction + 1 + static_cast<std::uint32_t>(CheckedFunction<Server, Member>::id)};

}  // namespace cohort
