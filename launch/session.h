// What all workers of one master share.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/serial_thread.h"
#include "launch/runtime.h"

namespace cohort {

class RemoteWorker;

/// The cluster's, and that of each worker until its end was told.
class Session {
 public:
  /// `own` is the id of whoever has the cluster, whose workers' ids are below it.
  Session(std::shared_ptr<Runtime> shared, WorkerId own, ClusterOptions chosen);

  std::shared_ptr<Runtime> const runtime;
  Engine& engine;
  WorkerId const self;
  ClusterOptions const options;

  /// Counts the workers, in the order of the spawn calls, from 1: the first of `count` numbers.
  /// Throws Error (kRefused) once the session is closing.
  [[nodiscard]] std::uint32_t next_serials(std::uint32_t count);
  /// Nothing is spawned any more.
  void close();
  [[nodiscard]] bool is_closing();
  void add(std::uint32_t serial, std::shared_ptr<RemoteWorker> worker);
  void remove(std::uint32_t serial);
  [[nodiscard]] std::shared_ptr<RemoteWorker> find(std::uint32_t serial);
  [[nodiscard]] std::vector<std::shared_ptr<RemoteWorker>> all();

 private:
  std::mutex mutex_;
  bool closing_ = false;
  std::uint32_t last_serial_ = 0;
  std::map<std::uint32_t, std::shared_ptr<RemoteWorker>> workers_;

 public:
  // Last, so that what it runs finds the rest.
  SerialThread starter{
      "starting processes"};  ///< starts processes; lives as long as they do (PR_SET_PDEATHSIG)
};

}  // namespace cohort
