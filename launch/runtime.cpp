#include "launch/runtime.h"

#include <cxxabi.h>
#include <unistd.h>

#include "launch/allocator.h"
#include "launch/log.h"

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

void Runtime::tell_of(Error error, OnFailure on_failure) {
  if (!on_failure) return log_lines.post(LogLevel::kWarning, error.what());
  failures.post([on_failure = std::move(on_failure), error = std::move(error)] {
    try {
      on_failure(error);
    } catch (abi::__forced_unwind const&) {
      log(LogLevel::kError, std::string("on_failure: ") + kEndedItsThread);
      throw;
    } catch (...) {
      auto const text = describe_current_exception();
      log(LogLevel::kError, "on_failure threw " + text.type + ": " + text.what);
    }
  });
}

void Runtime::wait_for_endings() {
  hurries.store(true);
  for (int left = endings.load(); left != 0; left = endings.load()) endings.wait(left);
}

Provenance Runtime::here() const {
  return {.worker = self, .host = host, .pid = static_cast<int>(::getpid())};
}

}  // namespace cohort
