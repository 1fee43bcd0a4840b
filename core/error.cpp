#include "core/error.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <system_error>
#include <utility>

#include <cxxabi.h>

namespace cohort {
namespace {

constexpr std::string_view kLastLines = "\nlast lines of its stderr:\n";

std::string compose(ErrorKind kind, std::string const& reason, Provenance const& where,
                    std::string const& exception_type, std::optional<ExitReport> const& exit) {
  auto line = to_string(where);
  if (!line.empty()) line += ": ";
  if (!where.function.empty()) line += where.function + ": ";
  line += to_string(kind);
  if (!exception_type.empty()) line += ": " + exception_type;
  if (!reason.empty()) line += ": " + reason;
  if (exit && !exit->stderr_tail.empty()) line.append(kLastLines).append(exit->stderr_tail);
  return line;
}

}  // namespace

std::string to_string(Provenance const& where) {
  std::string text;
  if (where.worker.is_master() && where.host.empty() && where.pid == 0) return text;
  text += where.worker.is_master() ? "master" : "worker " + where.worker.to_string();
  if (!where.name.empty()) text += " \"" + where.name + '"';
  if (where.host.empty() && where.pid == 0) return text;
  text += " (" + where.host;
  if (where.pid != 0) {
    text += (where.host.empty() ? "pid " : ", pid ") + std::to_string(where.pid);
  }
  return text + ')';
}

std::string_view to_string(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::kFailed:
      return "failed";
    case ErrorKind::kDisconnected:
      return "disconnected";
    case ErrorKind::kCancelled:
      return "cancelled";
    case ErrorKind::kTimedOut:
      return "timed out";
    case ErrorKind::kRefused:
      return "refused";
    case ErrorKind::kProtocol:
      return "protocol error";
  }
  return "unknown error";
}

std::string ExitReport::to_string() const {
  std::string text;
  if (signal) {
    text = "killed by signal " + std::to_string(*signal);
    if (char const* name = ::sigabbrev_np(*signal)) text += std::string(" (SIG") + name + ")";
    if (core_dumped) text += ", core dumped";
  } else if (exit_code) {
    text = "exited with code " + std::to_string(*exit_code);
  } else if (!unknown.empty()) {
    text = "how it ended is unknown: " + unknown;
  }
  return text;
}

Error::Error(ErrorKind kind, std::string reason, Provenance where, std::string exception_type,
             std::optional<ExitReport> exit)
    : std::runtime_error(compose(kind, reason, where, exception_type, exit)),
      kind_(kind),
      reason_(std::move(reason)),
      where_(std::move(where)),
      exception_type_(std::move(exception_type)),
      exit_(std::move(exit)) {}

std::string Error::headline() const {
  std::string_view const all = what();
  bool const has_lines = exit_ && !exit_->stderr_tail.empty();
  return std::string(all.substr(
      0, has_lines ? all.size() - kLastLines.size() - exit_->stderr_tail.size() : all.size()));
}

void throw_errno(char const* call, int error) {
  throw std::system_error(error, std::generic_category(), call);
}

void throw_errno(char const* call) { throw_errno(call, errno); }

char const* what_of(std::exception const& exception) noexcept {
  char const* const text = exception.what();
  return text != nullptr ? text : "";
}

ExceptionText describe_current_exception() noexcept {
  ExceptionText text;
  try {
    std::type_info const* type = abi::__cxa_current_exception_type();
    if (type == nullptr) return text;
    int status = 0;
    std::unique_ptr<char, decltype(&std::free)> name(
        abi::__cxa_demangle(type->name(), nullptr, nullptr, &status), &std::free);
    text.type = status == 0 ? name.get() : type->name();
    try {
      throw;
    } catch (std::exception const& error) {
      text.what = what_of(error);
    } catch (char const* message) {
      if (message != nullptr) text.what = message;  // so is nullptr itself
    } catch (std::string const& message) {
      text.what = message;
    } catch (...) {
    }
  } catch (...) {
    // Out of memory while describing: what was gathered so far is the answer.
  }
  return text;
}

}  // namespace cohort
