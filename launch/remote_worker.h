// The master's side of one worker: its process, its connection, and how it ends.
// Its state changes under the I/O lock; what is public may be called from any thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/connection.h"
#include "core/future.h"
#include "launch/child_process.h"
#include "launch/construct.h"
#include "launch/handshake_source.h"
#include "launch/local_launcher.h"
#include "launch/mpi_backend.h"
#include "launch/output_forwarder.h"
#include "launch/session.h"
#include "launch/worker_handle.h"

namespace cohort {

class RemoteWorker : public WorkerHandle,
                     public ConnectionHandler,
                     public std::enable_shared_from_this<RemoteWorker> {
 public:
  /// Owns the session until its worker's end was told: what a handle reaches is there.
  RemoteWorker(std::shared_ptr<Session> session, std::uint32_t serial, ConstructRequest request,
               SpawnOptions const& options, Settings const& settings);
  ~RemoteWorker() override;

  /// Watches the process that was started for it. Once. Where that throws, the process is killed,
  /// and fail_to_start() is to follow.
  void adopt(LocalProcess process);
  /// There is no process, for this reason. Instead of adopt().
  void fail_to_start(std::string reason);
  /// The worker's calls travel beside its control connection. Before adopt().
  void expect_plane() { expects_plane_ = true; }
  /// What they travel over; or why there is nothing, which ends the worker.
  /// The engine is the session's, which may be gone.
  void take_plane(Engine& engine, MpiBackend::MakePlane const& make_plane, std::string failure);
  /// Takes a socket over whose peer proved to be this worker. False where it has one already.
  bool take_connection(HandshakeSource::Outcome& outcome);
  /// A peer that proved to be this worker was refused. False where that says nothing about it.
  bool refuse_connection(std::string const& reason);

  /// Settled when the worker's object was constructed, or cannot be any more. Not for get(), which
  /// would give up what this object looks at later: see throw_if_not_constructed().
  [[nodiscard]] Future<void> const& constructed() const noexcept { return constructed_; }
  /// Once constructed() is ready: throws its error, where it has one.
  void throw_if_not_constructed() const;
  /// The Error of a worker that was not constructed in time: it says which step is waited for.
  [[nodiscard]] Error lateness(std::chrono::milliseconds spawn_timeout) const;
  /// Good once constructed() is.
  [[nodiscard]] std::shared_ptr<Connection> const& connection() const noexcept override {
    return connection_;
  }
  [[nodiscard]] WorkerId const& id() const noexcept { return id_; }
  [[nodiscard]] std::uint32_t serial() const noexcept { return serial_; }
  /// Its place among those of its spawn call.
  [[nodiscard]] std::uint32_t index() const noexcept { return request_.index; }
  [[nodiscard]] Provenance where() const;
  /// The worker's stdin, stdout and stderr, where those were redirected to kPipe. Once.
  struct Pipes {
    UniqueFd in;
    UniqueFd out;
    UniqueFd err;
  };
  [[nodiscard]] Pipes take_pipes();

  /// Ends the worker where that is what `shutdown_on` says.
  void release() override;
  /// The master ends: so does the worker, unless it is to outlive it.
  void end_with_session();
  /// Asks the worker to end, and kills it after shutdown_timeout. Returns at once; idempotent.
  void shut_down() override;
  [[nodiscard]] std::chrono::milliseconds shutdown_timeout() const noexcept {
    return settings_.shutdown_timeout;
  }
  /// SIGKILL. Its end is reported like any other, unless shut_down() came before.
  void kill() override;
  [[noreturn]] void drop_connection() override { refuse_to_drop(); }
  /// Waits until the process is gone and everybody was told. Returns whether that is so.
  [[nodiscard]] bool wait_until_ended(Deadline deadline) override;
  /// It does not end: tells everybody who must know, and sees to it no more.
  void give_up();
  [[nodiscard]] bool ended() const noexcept override { return ended_.ready(); }
  [[nodiscard]] std::optional<ExitReport> exit_report() const override;

 private:
  std::shared_ptr<Batch> on_calls(std::shared_ptr<Batch> batch) override;
  void on_cancel(CallId) override {}
  void on_shutdown(bool) override {}
  void on_dying(RemoteFailure failure) override;
  void on_data_plane(FrameKind kind, std::uint64_t count) override;
  void on_end(End end, std::string text) override;

  /// Hears of the data connection, where there is one.
  class DataHandler;

  void watch(LocalProcess& process);
  void on_handshake(HandshakeSource::Outcome outcome);
  void on_exit(ExitReport report);
  void refuse(std::string reason);
  void send_construct();
  void open_plane();
  void answer_goodbye();

  [[nodiscard]] std::shared_ptr<Session> session() const;
  void run_locked(std::function<void()> const& function) const;
  void end_when_done(std::chrono::milliseconds next_look);
  void kill_after(std::chrono::milliseconds delay);
  void expect_its_end();
  void finalize();
  [[nodiscard]] Error death() const;
  [[nodiscard]] std::string describe_end() const;

  mutable std::mutex session_mutex_;
  std::shared_ptr<Session> session_;  // written under both locks; null once finalized_
  std::string const host_;
  std::uint32_t const serial_;
  WorkerId const id_;
  ConstructRequest request_;
  std::string const constructor_name_;
  OnFailure on_failure_;
  ShutdownOn const shutdown_on_;
  Settings const settings_;
  std::string const name_;

  std::shared_ptr<WatchedProcess> process_;
  std::shared_ptr<HandshakeSource> handshake_;
  std::shared_ptr<OutputForwarder> stdout_;
  std::shared_ptr<OutputForwarder> stderr_;
  bool hands_out_stdout_ = false;
  bool hands_out_stderr_ = false;
  Pipes pipes_;
  std::shared_ptr<Connection> control_;
  std::shared_ptr<Connection> connection_;  // for calls: the same, or the data plane's
  bool expects_plane_ = false;
  bool has_joined_ = false;  ///< over MPI: the worker says so
  std::shared_ptr<DataPlane> plane_;
  std::unique_ptr<DataHandler> data_handler_;
  std::vector<std::pair<FrameKind, std::uint64_t>> early_signals_;  // before there was a plane
  std::uint64_t goodbye_count_ = 0;
  pid_t pid_ = 0;

  CallState* construct_;  // ours until it is given to the connection
  bool construct_sent_ = false;
  Future<void> constructed_;

  bool shutdown_requested_ = false;
  char const* why_it_ends_ = "the worker was shut down";  // where that was asked for
  bool killed_by_us_ = false;
  bool killed_ = false;  ///< by kill(): shut_down() comes too late
  bool expects_its_end_ = false;
  bool given_up_ = false;   ///< its process is still there
  std::optional<End> end_;  // of the connection
  std::string end_text_;
  std::optional<ExitReport> exit_;
  std::optional<RemoteFailure> dying_;
  TimerId release_timer_{};  ///< nobody has a handle any more
  TimerId kill_timer_{};
  bool finalized_ = false;
  Event ended_;
};

}  // namespace cohort
