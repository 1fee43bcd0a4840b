// What a process of a session shares between its connections, whatever its role: master, worker,
// or both.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "core/engine.h"
#include "core/error.h"
#include "launch/app_types.h"
#include "launch/complaints.h"
#include "launch/log.h"
#include "launch/options.h"
#include "launch/secret.h"
#include "launch/strangers.h"

namespace cohort {

/// The ends of workers that stderr has told of, so that nobody tells of one again.
class ToldEnds {
 public:
  void add(Error const& end);
  /// Whether that is the end of one of them.
  [[nodiscard]] bool contains(Error const& error) const;

 private:
  using Worker = std::pair<std::string, int>;  // its number and pid
  static Worker worker_of(Error const& error);

  mutable std::mutex mutex_;
  std::set<Worker> workers_;
};

struct Runtime {
  Runtime(AppTypes worker_types, ClusterOptions const& chosen, Secret const& session_secret,
          WorkerId own_id);

  AppTypes const types;
  std::string const description;  ///< of the types; what the fingerprint is over
  ClusterOptions const options;
  Secret const secret;
  WorkerId const self;  ///< the master's is the empty one
  std::string const host;
  Engine engine;
  LogQueue log_lines{output};
  SerialThread output{"lines of output"};  ///< for those who must not wait for a terminal
  SerialThread failures{"on_failure"};     ///< runs it, one call at a time
  Strangers strangers{};  ///< who has yet to prove who he is, at any of its listeners
  Complaints complaints{engine, log_lines};  ///< about them
  std::atomic<int> endings{0};  ///< served workers whose end is waited for on threads of their own
  std::atomic<bool> hurries{false};  ///< the process's work is over: nobody waits for answers

  /// Of which ends of workers the log has told on stderr; outlives the runtime.
  std::shared_ptr<ToldEnds> const told = std::make_shared<ToldEnds>();

  /// Tells of the end of a worker that nobody had asked for: on_failure on its thread, or the log.
  void tell_of(Error error, OnFailure on_failure);
  /// Waits, not for ever, until the lines that wait on `output` are written.
  void give_lines_time();
  /// Waits until `endings` is 0. For who made the runtime, when its own work is over.
  void wait_for_endings();
  /// Who this process is, for the other side of a connection that it makes.
  [[nodiscard]] Provenance here() const;
};

}  // namespace cohort
