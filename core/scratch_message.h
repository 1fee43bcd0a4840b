// A message to encode into, whose memory is used again. Each thread has its own.
#pragma once

#include <utility>

#include "core/message.h"

namespace cohort::detail {

/// A message for this thread to encode into, whose memory is used again.
class ScratchMessage {
 public:
  ScratchMessage() : message_(std::exchange(kept(), Message())) {}
  ScratchMessage(ScratchMessage const&) = delete;
  ScratchMessage& operator=(ScratchMessage const&) = delete;
  ~ScratchMessage() {
    message_.clear();
    kept() = std::move(message_);
  }
  [[nodiscard]] Message& get() noexcept { return message_; }

 private:
  static Message& kept() {
    static thread_local Message message;
    return message;
  }
  Message message_;
};

}  // namespace cohort::detail
