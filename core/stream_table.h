// The open streams of one connection, by call. Any thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "core/stream_state.h"

namespace cohort {

/// The two streams that a call may have: both ends on this side of the connection.
struct CallStreams {
  std::shared_ptr<InStream> in;
  std::shared_ptr<OutStream> out;
};

class StreamTable {
 public:
  /// False where the call has streams already.
  [[nodiscard]] bool add(StreamKey key, CallStreams streams);
  /// What is still open of the call's streams.
  [[nodiscard]] CallStreams find(StreamKey key) const;
  /// Whether somebody else holds one of the call's streams.
  [[nodiscard]] bool is_held(StreamKey key) const;
  void forget_in(StreamKey key) noexcept;
  void forget_out(StreamKey key) noexcept;
  /// Takes them out of the table: of all calls or of those that the other side made; of one call.
  enum class Whose { kTheirs, kAll };
  [[nodiscard]] std::vector<CallStreams> take_all(Whose whose);
  [[nodiscard]] CallStreams take(StreamKey key);
  [[nodiscard]] std::size_t size() const;

 private:
  void erase_if_empty(std::map<StreamKey, CallStreams>::iterator entry) noexcept;

  mutable std::mutex mutex_;
  std::map<StreamKey, CallStreams> open_;
};

}  // namespace cohort
