#include "launch/runtime.h"

#include <unistd.h>

#include "launch/allocator.h"

namespace cohort {

Runtime::Runtime(AppTypes worker_types, ClusterOptions const& chosen, Secret const& session_secret,
                 WorkerId own_id)
    : types(worker_types),
      description(describe(worker_types)),
      options(chosen),
      secret(session_secret),
      self(std::move(own_id)),
      host(host_name()),
      engine(Engine::Options{.spin = chosen.settings.spin}) {
  keep_freed_memory();
}

Provenance Runtime::here() const {
  return {.worker = self, .host = host, .pid = static_cast<int>(::getpid())};
}

}  // namespace cohort
