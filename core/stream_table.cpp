#include "core/stream_table.h"

namespace cohort {

bool StreamTable::add(StreamKey key, CallStreams streams) {
  std::lock_guard const lock(mutex_);
  return open_.try_emplace(key, std::move(streams)).second;
}

CallStreams StreamTable::find(StreamKey key) const {
  std::lock_guard const lock(mutex_);
  auto const found = open_.find(key);
  return found == open_.end() ? CallStreams{} : found->second;
}

bool StreamTable::is_held(StreamKey key) const {
  std::lock_guard const lock(mutex_);
  auto const found = open_.find(key);
  return found != open_.end() &&
         (found->second.in.use_count() > 1 || found->second.out.use_count() > 1);
}

// What is taken out is destroyed after the mutex was left: it may hold the connection.

void StreamTable::forget_in(StreamKey key) noexcept {
  CallStreams gone;
  std::lock_guard const lock(mutex_);
  if (auto const found = open_.find(key); found != open_.end()) {
    gone.in = std::exchange(found->second.in, nullptr);
    erase_if_empty(found);
  }
}

void StreamTable::forget_out(StreamKey key) noexcept {
  CallStreams gone;
  std::lock_guard const lock(mutex_);
  if (auto const found = open_.find(key); found != open_.end()) {
    gone.out = std::exchange(found->second.out, nullptr);
    erase_if_empty(found);
  }
}

void StreamTable::erase_if_empty(std::map<StreamKey, CallStreams>::iterator entry) noexcept {
  if (!entry->second.in && !entry->second.out) open_.erase(entry);
}

std::vector<CallStreams> StreamTable::take_all(Whose whose) {
  std::vector<CallStreams> taken;
  std::lock_guard const lock(mutex_);
  for (auto at = open_.begin(); at != open_.end();) {
    auto const entry = at++;
    if (whose == Whose::kTheirs && entry->first.ours) continue;
    taken.push_back(std::move(entry->second));
    open_.erase(entry);
  }
  return taken;
}

CallStreams StreamTable::take(StreamKey key) {
  std::lock_guard const lock(mutex_);
  auto const found = open_.find(key);
  if (found == open_.end()) return {};
  auto streams = std::move(found->second);
  open_.erase(found);
  return streams;
}

std::size_t StreamTable::size() const {
  std::lock_guard const lock(mutex_);
  return open_.size();
}

}  // namespace cohort
