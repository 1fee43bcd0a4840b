#include "launch/server.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <utility>

#include <cxxabi.h>

#include "launch/cluster.h"
#include "transports/stream_channel.h"

namespace cohort {
namespace {

/// Some tens of megabytes.
constexpr std::size_t kUnreadAnswersAtMost = 300'000;
/// One client that does not read keeps the others from hearing no longer than this.
constexpr std::chrono::milliseconds kLastWordsEach{10};

}  // namespace

/// One client, as long as its connection lasts.
class Server::Guest : public ConnectionHandler, public std::enable_shared_from_this<Guest> {
 public:
  Guest(Server& server, bool owner) : is_owner(owner), server_(server) {}

  bool const is_owner;
  std::shared_ptr<Client> const client = std::make_shared<Client>();

 private:
  std::shared_ptr<Batch> on_calls(std::shared_ptr<Batch> batch) override {
    if (auto const count = server_.answer_quick_calls(*client, *batch); count != 0) {
      limit_unread_answers(count);
    }
    if (batch->frames.empty()) return batch;
    return server_.dispatcher_.enqueue(client, std::move(batch));
  }
  void on_cancel(CallId call) override { server_.dispatcher_.cancel(*client, call); }
  void on_shutdown(bool after_calls) override {
    after_calls ? server_.dispatcher_.finish_calls() : server_.hooks_.on_shutdown();
  }
  void on_dying(RemoteFailure) override {}
  void on_end(End end, std::string text) override {
    auto const self = shared_from_this();  // the server lets go of it
    bool const cut = end == End::kClosed && text == kClosedWithinAFrame;
    if (end == End::kProtocol || end == End::kSilent || cut) {
      auto const& peer = client->connection->peer();
      server_.runtime_->log_lines.post(
          LogLevel::kWarning, "closed the connection of pid " + std::to_string(peer.pid) + " on " +
                                  (peer.host.empty() ? server_.runtime_->host : peer.host) + ": " +
                                  text);
    }
    if (is_owner) server_.hooks_.on_owner_end(end);
    server_.part_with(*this);
  }

  /// Nobody waits in a handler: who asks on and does not read is hung up on instead. Who reads has
  /// what waits for him shrink now and then.
  void limit_unread_answers(std::size_t more) {
    auto const before = std::exchange(unsent_, client->connection->unsent());
    unread_answers_ = unsent_ == 0 || unsent_ < before ? 0 : unread_answers_ + more;
    if (unread_answers_ <= kUnreadAnswersAtMost) return;
    throw std::runtime_error("it does not read the answers to its calls, of which " +
                             std::to_string(unread_answers_) + " wait");
  }

  Server& server_;
  std::size_t unsent_ = 0;          // bytes, after the last quick calls
  std::size_t unread_answers_ = 0;  // to quick calls, since it was seen to read
};

Server::Server(std::shared_ptr<Runtime> runtime, WorkerId id, Settings const& settings, Hooks hooks)
    : runtime_(std::move(runtime)),
      id_(std::move(id)),
      settings_(settings),
      hooks_(std::move(hooks)),
      dispatcher_(runtime_->engine) {
  static constexpr auto kBuiltins = [] {
    constexpr auto& quick = detail::EntriesOf<Server, Functions>::value;
    std::array<FunctionEntry, quick.size() + 3> all{FunctionEntry{"constructor", &construct},
                                                    FunctionEntry{"session", &open_session},
                                                    FunctionEntry{"explain", &explain}};
    std::copy(quick.begin(), quick.end(), all.begin() + 3);
    return all;
  }();
  dispatcher_.set_id(id_);
  dispatcher_.serve_builtin(this, kBuiltins);
  dispatcher_.on_background_failure(hooks_.on_background_failure);
  dispatcher_.on_bad_post(
      [this](Client& client, RemoteFailure what) { on_bad_post(client, std::move(what)); });
}

/// Costs its sender the connection; the owner's is the worker's life, and its on_failure hears.
void Server::on_bad_post(Client& client, RemoteFailure what) {
  for (auto const& guest : all_guests()) {
    if (guest->is_owner && guest->client.get() == &client) {
      return hooks_.on_background_failure(std::move(what));
    }
  }
  client.connection->hang_up("it posted a call that does not fit " +
                             (what.function.empty() ? "this worker" : what.function) + ": " +
                             what.text);
}

Server::~Server() = default;

// ---- clients -----------------------------------------------------------------------------------

std::shared_ptr<Connection> Server::add_client(std::unique_ptr<Channel> channel, Provenance peer,
                                               std::span<std::byte const> leftover, bool is_owner) {
  auto guest = std::make_shared<Guest>(*this, is_owner);
  auto connection = std::make_shared<Connection>(runtime_->engine, std::move(channel), settings_,
                                                 std::move(peer), *guest, leftover);
  auto here = runtime_->here();
  here.worker = id_;  // which differs for one that is served
  connection->set_here(std::move(here));
  guest->client->connection = connection;
  {
    std::lock_guard const lock(mutex_);
    guests_.push_back(std::move(guest));
  }
  connection->start();
  return connection;
}

/// Its socket closes at once, also while a call runs for hours, unless a call of its own waits. Its
/// session ends behind its calls, and where they run.
void Server::part_with(Guest const& guest) {
  auto const& client = guest.client;
  std::lock_guard const lock(mutex_);
  auto const was_here =
      std::erase_if(guests_, [&](auto const& each) { return each.get() == &guest; });
  if (was_here == 0 || stopped_) return;
  bool const has_calls = client.use_count() > 1;
  if (!has_calls && !client->session()) return;
  auto const departed = departed_.insert(departed_.end(), {client, client->session()});
  dispatcher_.enqueue([this, departed] { forget(departed); });
}

void Server::forget(std::list<Departed>::iterator departed) {
  std::list<Departed> gone;  // destroyed after the lock
  std::lock_guard const lock(mutex_);
  gone.splice(gone.end(), departed_, departed);
}

bool Server::take_stranger(HandshakeSource::Outcome& outcome) {
  if (!outcome.refusal.empty()) return false;
  Provenance const peer{.worker = {}, .host = outcome.claim.host, .pid = outcome.claim.pid};
  add_client(std::make_unique<StreamChannel>(std::move(outcome.socket)), peer, outcome.leftover,
             false);
  return true;
}

// ---- the object's life -------------------------------------------------------------------------

void Server::construct(void* server, std::span<std::byte const> bytes, CallContext& context,
                       Reply&) {
  auto& self = *static_cast<Server*>(server);
  ConstructHeader header;
  if (bytes.size() < sizeof header) {
    throw detail::BadArguments("the construct call is cut short");
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  auto const type = static_cast<std::uint32_t>(header.type);
  if (type >= self.runtime_->types.size() || self.object_ != nullptr) {
    throw detail::BadArguments("no worker type " + std::to_string(type) + " to construct");
  }
  auto const& entry = self.runtime_->types[type];
  WorkerContext const place{self.id_, header.index, header.count, self.runtime_->host, &self};
  self.object_ = entry.construct(bytes.subspan(sizeof header), place);
  self.type_ = &entry;
  self.dispatcher_.serve(self.object_, entry.functions);
  if (entry.make_session != nullptr && !entry.session_takes_init) {
    context.client.set_session(entry.make_session(self.object_, {}));
  }
  if (entry.side_by_side > 1) self.dispatcher_.run_side_by_side(entry.side_by_side);
  self.constructed_.store(true);
}

void Server::open_session(void* server, std::span<std::byte const> bytes, CallContext& context,
                          Reply&) {
  auto& self = *static_cast<Server*>(server);
  if (self.object_ == nullptr) throw detail::BadArguments("the worker is not constructed yet");
  if (self.type_->make_session == nullptr) return;
  // The one it has stays where this throws.
  context.client.set_session(self.type_->make_session(self.object_, bytes));
}

Cluster& WorkerContext::cluster() const { return server->cluster(); }

Cluster& Server::cluster() {
  std::lock_guard const lock(cluster_mutex_);
  if (!cluster_) cluster_ = std::make_unique<Cluster>(runtime_, id_, settings_);
  return *cluster_;
}

void Server::run() {
  try {
    dispatcher_.run();
  } catch (abi::__forced_unwind const&) {  // this thread is ended, once others ran what it had to
    end();
    throw;
  }
  end();
}

void Server::end() {
  close_server();
  std::vector<std::shared_ptr<Guest>> guests;
  std::list<Departed> departed;
  {
    std::lock_guard const lock(mutex_);
    stopped_ = true;
    guests = guests_;
    departed.swap(departed_);
  }
  for (auto const& guest : guests) interrupt_streams(*guest);
  if (hooks_.on_stopped) hooks_.on_stopped();
  runtime_->engine.callbacks().drain();  // no callback finds the object gone
  for (auto const& guest : guests) guest->client->set_session(nullptr);
  for (auto const& each : departed) {
    if (auto const client = each.client.lock()) client->set_session(nullptr);
  }
  departed.clear();
  dispatcher_.serve(nullptr, {});
  if (object_ != nullptr) type_->destroy(std::exchange(object_, nullptr));
  runtime_->engine.birthplace().leave_if_elsewhere("the worker's destructor");
  cluster_.reset();  // after the object, which may hold handles on it
}

void Server::stop() {
  dispatcher_.stop();
  for (auto const& guest : all_guests()) interrupt_streams(*guest);
}

std::vector<std::shared_ptr<Server::Guest>> Server::all_guests() {
  std::lock_guard const lock(mutex_);
  return guests_;
}

void Server::interrupt_streams(Guest& guest) {
  guest.client->connection->interrupt_streams(ErrorKind::kCancelled, "the worker ends");
}

void Server::tell_others_of_death(RemoteFailure const& what) {
  for (auto const& guest : all_guests()) {
    auto const& connection = guest->client->connection;
    if (!guest->is_owner) connection->send_control(FrameKind::kDying, connection->encoded(what));
  }
}

void Server::send_others_last_words(RemoteFailure const& what, Deadline deadline) noexcept try {
  for (; !deadline.passed(); std::this_thread::yield()) {
    std::unique_lock const lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) continue;  // by the thread that dies, perhaps
    for (auto const& guest : guests_) {
      if (guest->is_owner || deadline.passed()) continue;
      auto body = guest->client->connection->encoded(what);
      guest->client->connection->send_last_words(FrameKind::kDying, body,
                                                 Deadline::after(kLastWordsEach));
    }
    return;
  }
} catch (...) {
  // No memory for it: they see the connection end.
}

void Server::say_goodbye(bool orderly, Deadline deadline) {
  std::shared_ptr<Connection> owner;
  for (auto const& guest : all_guests()) {
    if (guest->is_owner) owner = guest->client->connection;
  }
  if (owner) {
    if (orderly && !hooks_.say_goodbye) owner->send_control(FrameKind::kGoodbye);
    static_cast<void>(owner->drain(deadline));
    if (orderly && hooks_.say_goodbye) hooks_.say_goodbye(deadline);
  }
  say_goodbye_to_others(orderly, deadline);
  if (owner) owner->close(ErrorKind::kDisconnected, "this worker ends");
  std::vector<std::shared_ptr<Guest>> gone;  // destroyed after the lock
  std::lock_guard const lock(mutex_);
  gone.swap(guests_);
}

void Server::say_goodbye_to_others(bool orderly, Deadline deadline) {
  std::vector<std::shared_ptr<Guest>> others;
  {
    std::lock_guard const lock(mutex_);
    auto const first = std::partition(guests_.begin(), guests_.end(),
                                      [](auto const& guest) { return guest->is_owner; });
    others.assign(std::move_iterator(first), std::move_iterator(guests_.end()));
    guests_.erase(first, guests_.end());
  }
  for (auto const& guest : others) {
    if (orderly) guest->client->connection->send_control(FrameKind::kGoodbye);
  }
  for (auto const& guest : others) {
    auto const& connection = guest->client->connection;
    static_cast<void>(connection->drain(deadline));
    connection->close(ErrorKind::kDisconnected, "this worker ends");
  }
}

// ---- what every worker offers ------------------------------------------------------------------

/// Under the I/O lock: none of these runs a user's code or waits. Returns how many they were.
std::size_t Server::answer_quick_calls(Client& client, Batch& batch) {
  for (auto const& frame : batch.frames) {
    bool const is_builtin =
        static_cast<std::uint32_t>(frame.header.function) >= kFirstBuiltinFunction;
    if (is_builtin && (frame.header.flags & frame_flags::kOneWay) != 0) {
      throw std::runtime_error("it called a built-in function without wanting an answer");
    }
  }
  auto const is_quick = [](Frame const& frame) {
    return static_cast<std::uint32_t>(frame.header.function) >= kFirstQuickFunction;
  };
  if (std::none_of(batch.frames.begin(), batch.frames.end(), is_quick)) return 0;
  for (auto const& frame : batch.frames) {
    if (!is_quick(frame)) continue;
    dispatcher_.run_now(client, frame);
  }
  return std::erase_if(batch.frames, is_quick);
}

void Server::explain(void* server, std::span<std::byte const> bytes, CallContext& context,
                     Reply& reply) {
  auto& self = *static_cast<Server*>(server);
  CallId const call{detail::decode_arguments<std::uint64_t>(bytes)};
  auto const guests = self.all_guests();
  auto const name_of = [&](Client const* client) -> std::string {
    for (auto const& guest : guests) {
      if (guest->client.get() != client) continue;
      if (guest->is_owner) return "its master";
      return process_in_words(client->connection->peer());
    }
    return "a client that is gone";
  };
  encode(reply.body, self.dispatcher_.report(context.client, call, name_of));
}

Endpoint Server::endpoint() {
  std::lock_guard const lock(mutex_);
  if (closed_) throw std::runtime_error("this worker takes no new clients (close_server)");
  if (!listener_) {
    listener_ =
        std::make_shared<Listener>(*runtime_, settings_.handshake_timeout,
                                   runtime_->options.transport == Transport::kUnix
                                       ? listen_unix(kListenBacklog)
                                       : listen_tcp({"127.0.0.1", 0}, kListenBacklog),
                                   [weak = weak_from_this()](HandshakeSource::Outcome& outcome) {
                                     auto const self = weak.lock();
                                     return self && self->take_stranger(outcome);
                                   });
    listener_->open();
  }
  return listener_->endpoint();
}

void Server::close_server() {
  std::shared_ptr<Listener> listener;
  {
    std::lock_guard const lock(mutex_);
    closed_ = true;
    listener = std::exchange(listener_, nullptr);
  }
  if (listener) listener->close();
}

void Server::subscribe_to_log(LogLevel level, std::uint32_t per_second, Writer<LogRecord> out) {
  add_log_subscriber(level, per_second, std::move(out), runtime_->here());
}

}  // namespace cohort
