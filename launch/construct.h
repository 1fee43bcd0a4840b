// The call that builds a worker's object: the first one over its owner's connection.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/connection.h"
#include "core/future.h"
#include "launch/app_types.h"

namespace cohort {

/// What the worker's object is built from.
struct ConstructRequest {
  WorkerTypeId type{};
  std::uint32_t index = 0;
  std::uint32_t count = 1;
  std::shared_ptr<Message const> init;  ///< encoded once for all workers of a spawn call
};

/// "constructor of Summer", as errors name it.
[[nodiscard]] std::string constructor_name(AppTypes types, WorkerTypeId type);

/// Sends it. The encoded Init, which may be large, is shared by all workers of a spawn call, and is
/// borrowed.
void send_construct_call(Connection& connection, ConstructRequest const& request, CallState& state);

}  // namespace cohort
