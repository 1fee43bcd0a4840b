// Strong ids. All are counted in order by one side and carried on the wire, never derived from
// addresses, hashes or the order of arrival.
#pragma once

#include <compare>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace cohort {

/// @cond of cohort itself
/// A worker type: its place in `start_app<...>`.
enum class WorkerTypeId : std::uint32_t {};

/// A function of a worker type: its place in `FunctionList<...>`. The ids from
/// `kFirstBuiltinFunction` up belong to cohort itself.
enum class FunctionId : std::uint32_t {};
inline constexpr std::uint32_t kFirstBuiltinFunction = 0xffff'ff00;

/// A call on one connection, given by the caller's side: the generation of a promise slot in the
/// upper 32 bits, the slot in the lower. Never 0 for a call that wants a reply.
enum class CallId : std::uint64_t {};
/// @endcond

/// A worker: its place in the order of its master's spawn calls, prefixed by the master's own id
/// ("2", and "2.1" for the second worker's own worker). The top master is the empty path, "master".
class WorkerId {
 public:
  /// @cond of cohort itself
  WorkerId() = default;
  WorkerId(std::initializer_list<std::uint32_t> path) : path_(path) {}
  explicit WorkerId(std::vector<std::uint32_t> path) : path_(std::move(path)) {}

  [[nodiscard]] WorkerId child(std::uint32_t index) const {
    WorkerId id(path_);
    id.path_.push_back(index);
    return id;
  }
  auto operator<=>(WorkerId const&) const = default;
  bool operator==(WorkerId const&) const = default;
  /// @endcond

  /// Whether it is the top master's.
  [[nodiscard]] bool is_master() const noexcept { return path_.empty(); }
  /// Its numbers, from the top down; each counts from 1.
  [[nodiscard]] std::vector<std::uint32_t> const& path() const noexcept { return path_; }
  /// "2.1", "master".
  [[nodiscard]] std::string to_string() const;

 private:
  std::vector<std::uint32_t> path_;
};

}  // namespace cohort
