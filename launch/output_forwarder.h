// Reads a worker's stdout or stderr from a pipe, and writes whole lines, each with the worker's
// name before it, to the master's. Keeps the last lines for the report of a death.
//
// A line may end in a carriage return: it is then written over by the next one, as progress is. One
// that has begun and gets no end for a while is shown with such an end, and again when it is whole:
// at a terminal, and of a worker that writes progress.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>

#include "core/engine.h"
#include "core/serial_thread.h"
#include "core/source.h"
#include "transports/socket.h"

namespace cohort {

class OutputForwarder : public Source {
 public:
  /// `tag` stands before each line, `to` is the descriptor written to. The writing is done by
  /// `writer`, so that a slow terminal never stops the I/O. Where it does not keep up, the pipe is
  /// no longer read, and the worker waits in its own write.
  OutputForwarder(Engine& engine, UniqueFd pipe, std::string tag, int to, SerialThread& writer);

  /// Reads what is there now, gives out an unfinished line, and stops. Under the I/O lock.
  void finish() noexcept;
  /// The last lines, at most 4 KiB, without tags. Under the I/O lock.
  [[nodiscard]] std::string tail() const;

  [[nodiscard]] int descriptor() const noexcept override { return pipe_.get(); }
  bool on_readable() noexcept override;

 private:
  bool read_some() noexcept;
  void pause();
  void resume();
  void take(char const* data, std::size_t size);
  std::size_t take_line(std::size_t from, std::size_t end, std::string& lines);
  void show_unfinished_soon();
  void show_unfinished();
  void write(std::string text);

  Engine& engine_;
  UniqueFd pipe_;
  std::string const tag_;
  int const to_;
  bool const is_terminal_;
  SerialThread& writer_;
  std::string unfinished_;
  std::size_t shown_ = 0;         // of unfinished_, before its end has come
  bool shows_soon_ = false;       // a timer is set
  bool writes_progress_ = false;  // the last line's end was a carriage return
  bool was_returned_ = false;     // nothing has come after that
  std::string tail_;
  bool ended_ = false;
  std::atomic<std::size_t> queued_{0};  // bytes that the writer has yet to write
  std::atomic<bool> paused_{false};     // not read from until the writer has caught up
};

}  // namespace cohort
