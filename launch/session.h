// What all workers of one master share.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/engine.h"
#include "core/serial_thread.h"
#include "launch/app_types.h"
#include "launch/options.h"
#include "launch/secret.h"

namespace cohort {

class RemoteWorker;

class Session {
 public:
  Session(AppTypes types, ClusterOptions const& options);

  ClusterOptions const options;
  AppTypes const types;
  std::string const description;  ///< of the types; what the fingerprint is over
  Secret const secret = Secret::random();
  std::string const host;
  Engine engine;
  SerialThread callbacks;  ///< runs what users gave: on_failure
  SerialThread output;     ///< writes the workers' lines
  SerialThread starter;    ///< starts processes; lives as long as they do (PR_SET_PDEATHSIG)

  /// Counts the workers, in the order of the spawn calls, from 1.
  [[nodiscard]] std::uint32_t next_serial();
  void add(std::uint32_t serial, std::shared_ptr<RemoteWorker> worker);
  void remove(std::uint32_t serial);
  [[nodiscard]] std::shared_ptr<RemoteWorker> find(std::uint32_t serial);
  [[nodiscard]] std::vector<std::shared_ptr<RemoteWorker>> all();

 private:
  std::mutex mutex_;
  std::uint32_t last_serial_ = 0;
  std::map<std::uint32_t, std::shared_ptr<RemoteWorker>> workers_;
};

}  // namespace cohort
