// A source that the tests of the engine ring by hand.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

#include "core/error.h"
#include "core/source.h"

namespace cohort::test {

class Bell : public Source {
 public:
  explicit Bell(std::function<void()> on_ring = [] {})
      : descriptor_(check(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd")),
        on_ring_(std::move(on_ring)) {}
  ~Bell() override { ::close(descriptor_); }

  void ring() {
    std::uint64_t const one = 1;
    check(::write(descriptor_, &one, sizeof one), "write");
  }
  [[nodiscard]] int descriptor() const noexcept override { return descriptor_; }
  bool on_readable() noexcept override {
    std::uint64_t rings = 0;
    if (::read(descriptor_, &rings, sizeof rings) < 0) return false;
    on_ring_();
    return true;
  }

 private:
  int const descriptor_;
  std::function<void()> const on_ring_;
};

}  // namespace cohort::test
