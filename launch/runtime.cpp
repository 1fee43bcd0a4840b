#include "launch/runtime.h"

#include <cstdio>
#include <cstdlib>
#include <future>
#include <system_error>
#include <thread>

#include <cxxabi.h>
#include <unistd.h>

#include "launch/allocator.h"
#include "launch/log.h"

namespace cohort {
namespace {

/// A terminal may take nothing.
constexpr std::chrono::seconds kLinesAtMost{1};
constexpr std::chrono::seconds kFlushAtMost{1};

}  // namespace

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
  engine.on_unheard([](Error const& error) {
    auto const level = error.kind() == ErrorKind::kFailed ? LogLevel::kWarning : LogLevel::kInfo;
    log(level, "a stream that nobody waits for has ended: " + error.headline());
  });
  engine.on_long_wait([this](bool is_warning, std::string line) {
    log_lines.post(is_warning ? LogLevel::kWarning : LogLevel::kInfo, std::move(line));
  });
}

void Runtime::tell_of(Error error, OnFailure on_failure) {
  if (!on_failure) {
    if (is_shown(LogLevel::kWarning)) told->add(error);
    return log_lines.post(LogLevel::kWarning, error.headline());
  }
  auto const* const chosen = on_failure.target<decltype(&end_job)>();
  if (chosen != nullptr && *chosen == &end_job) {
    // Behind the worker's last lines, as far as a terminal takes them in time.
    failures.post([this, error = std::move(error)] {
      give_lines_time();
      end_job(error);
    });
    return;
  }
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

/// For what the output's thread has been given so far.
void Runtime::give_lines_time() {
  auto const written = std::make_shared<std::promise<void>>();
  output.post([written] { written->set_value(); });
  static_cast<void>(written->get_future().wait_for(kLinesAtMost));
}

void end_job(Error const& error) {
  std::fprintf(stderr, "error: %s; the job ends with it (cohort::end_job)\n",
               error.headline().c_str());
  // Another thread may hold a FILE that nobody reads.
  try {
    std::thread([] {
      std::fflush(nullptr);
      ::_exit(EXIT_FAILURE);
    }).detach();
    std::this_thread::sleep_for(kFlushAtMost);
  } catch (std::system_error const&) {
    // Without a thread for it, what is buffered is lost.
  }
  ::_exit(EXIT_FAILURE);
}

void ToldEnds::add(Error const& end) {
  std::lock_guard const lock(mutex_);
  workers_.insert(worker_of(end));
}

bool ToldEnds::contains(Error const& error) const {
  std::lock_guard const lock(mutex_);
  return error.kind() == ErrorKind::kDisconnected && workers_.contains(worker_of(error));
}

ToldEnds::Worker ToldEnds::worker_of(Error const& error) {
  return {error.where().worker.to_string(), error.where().pid};
}

void Runtime::wait_for_endings() {
  hurries.store(true);
  for (int left = endings.load(); left != 0; left = endings.load()) endings.wait(left);
  hurries.store(false);  // handles that connect() and serve() gave go on
}

Provenance Runtime::here() const {
  return {.worker = self, .host = host, .pid = static_cast<int>(::getpid())};
}

}  // namespace cohort
