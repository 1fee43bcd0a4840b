#include "launch/output_forwarder.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <poll.h>
#include <unistd.h>

namespace cohort {
namespace {

constexpr std::size_t kTail = 4096;
/// A line without an end is given out in pieces of this size.
constexpr std::size_t kLongestLine = 16 << 10;
/// How much is read at the end: a process that the worker left behind may write for ever.
constexpr int kLastReads = 64;
/// More than this waits to be written: the terminal does not keep up.
constexpr std::size_t kQueuedAtMost = 256 << 10;
/// How long a line without an end waits for it before it is shown.
constexpr std::chrono::milliseconds kShowAfter{300};

/// Blocks until all is written, or the reader is gone.
void write_all(int to, std::string const& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    auto const count = ::write(to, text.data() + done, text.size() - done);
    if (count > 0) {
      done += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN) {
      pollfd room{to, POLLOUT, 0};
      ::poll(&room, 1, -1);
    } else if (errno != EINTR) {
      return;
    }
  }
}

}  // namespace

OutputForwarder::OutputForwarder(Engine& engine, UniqueFd pipe, std::string tag, int to,
                                 SerialThread& writer)
    : engine_(engine),
      pipe_(std::move(pipe)),
      tag_(std::move(tag)),
      to_(to),
      is_terminal_(::isatty(to) == 1),
      writer_(writer) {
  set_nonblocking(pipe_.get(), true);
}

bool OutputForwarder::on_readable() noexcept {
  if (!ended_ && queued_.load() > kQueuedAtMost) {
    pause();
    return true;
  }
  if (ended_ || read_some()) return true;
  if (errno == EAGAIN || errno == EINTR) return false;
  finish();
  return true;
}

/// Each of pause() and the writer stores its own word and then loads the other's, so that one of
/// the two resumes.
void OutputForwarder::pause() {
  paused_.store(true);
  engine_.detach(*this);
  if (queued_.load() <= kQueuedAtMost) resume();
}

void OutputForwarder::resume() {
  engine_.run_locked([this] {
    if (paused_.exchange(false) && !ended_) engine_.attach(shared_from_this());
  });
}

/// False at the end of the pipe (errno 0), when nothing is there (EAGAIN), or on failure.
bool OutputForwarder::read_some() noexcept {
  char buffer[16 << 10];
  errno = 0;
  auto const count = ::read(pipe_.get(), buffer, sizeof buffer);
  if (count <= 0) return false;
  try {
    take(buffer, static_cast<std::size_t>(count));
  } catch (std::exception const&) {
    // No memory for a worker's chatter: it is lost, and the session goes on.
  }
  return true;
}

void OutputForwarder::take(char const* data, std::size_t size) {
  tail_.append(data, size);
  if (tail_.size() > 2 * kTail) tail_.erase(0, tail_.size() - kTail - 1);
  unfinished_.append(data, size);
  std::string lines;
  std::size_t from = 0;
  for (;;) {
    auto const end = unfinished_.find_first_of("\r\n", from);
    if (end == unfinished_.npos) {
      if (unfinished_.size() - from < kLongestLine) break;
      lines.append(tag_).append(unfinished_, from).append(1, '\n');
      from = unfinished_.size();
      break;
    }
    from = take_line(from, end, lines);
  }
  unfinished_.erase(0, from);
  if (from != 0) shown_ = 0;
  if (!unfinished_.empty()) was_returned_ = false;
  if (!lines.empty()) write(std::move(lines));
  show_unfinished_soon();
}

/// Appends what stands from there to the end of the line, which is a line feed, a carriage return,
/// or one before the other. Gives where the next one begins.
std::size_t OutputForwarder::take_line(std::size_t from, std::size_t end, std::string& lines) {
  bool const returns = unfinished_[end] == '\r';
  bool const feeds = !returns || unfinished_[std::min(end + 1, unfinished_.size() - 1)] == '\n';
  auto const next = end + (returns && feeds ? 2 : 1);
  bool const is_rest = end == from && was_returned_;  // of a line that was given out
  bool const is_shown = feeds || end != from;         // progress may begin with its return
  if (is_shown && !is_rest) lines.append(tag_);
  if (is_shown) lines.append(unfinished_, from, next - from);
  writes_progress_ = !feeds;
  was_returned_ = !feeds && (end != from || was_returned_);
  return next;
}

void OutputForwarder::show_unfinished_soon() {
  bool const is_wanted = unfinished_.size() != shown_ && (is_terminal_ || writes_progress_);
  if (!is_wanted || ended_ || std::exchange(shows_soon_, true)) return;
  engine_.timers().schedule(Clock::now() + kShowAfter, [weak = weak_from_this()] {
    if (auto const self = weak.lock()) static_cast<OutputForwarder&>(*self).show_unfinished();
  });
}

void OutputForwarder::show_unfinished() try {
  shows_soon_ = false;
  if (ended_ || unfinished_.size() == shown_) return;
  shown_ = unfinished_.size();
  write(tag_ + unfinished_ + '\r');
} catch (std::exception const&) {
  // No memory for it: it comes with its end.
}

std::string OutputForwarder::tail() const {
  if (tail_.size() <= kTail) return tail_;
  // From the first whole line on; the end of a line that is longer than all of it.
  auto const cut = tail_.size() - kTail;
  auto const line = tail_.find('\n', cut - 1);
  return tail_.substr(line < tail_.size() - 1 ? line + 1 : cut);
}

void OutputForwarder::write(std::string text) {
  auto const size = text.size();
  queued_.fetch_add(size);
  try {
    writer_.post([self = shared_from_this(), this, text = std::move(text)] {
      write_all(to_, text);
      bool const caught_up = queued_.fetch_sub(text.size()) - text.size() <= kQueuedAtMost;
      if (caught_up && paused_.load()) resume();
    });
  } catch (...) {  // it waits for nobody
    queued_.fetch_sub(size);
    throw;
  }
}

void OutputForwarder::finish() noexcept {
  if (std::exchange(ended_, true)) return;
  for (int i = 0; i < kLastReads && read_some(); ++i) {
  }
  try {
    if (!unfinished_.empty()) {
      write(tag_ + unfinished_ + '\n');
    } else if (was_returned_) {
      write("\n");  // what comes next would be written over it
    }
  } catch (std::exception const&) {
  }
  unfinished_.clear();
  engine_.detach(*this);
}

}  // namespace cohort
