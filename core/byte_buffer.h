// A growable run of bytes that is never zero-filled: messages are built in it.
// A resource: it moves and does not copy. Pointers into it are good until it next grows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

namespace cohort {

class ByteBuffer {
 public:
  ByteBuffer() = default;
  ByteBuffer(ByteBuffer&& other) noexcept { swap(other); }
  ByteBuffer& operator=(ByteBuffer&& other) noexcept {
    ByteBuffer taken(std::move(other));
    swap(taken);
    return *this;
  }
  void swap(ByteBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  [[nodiscard]] std::byte* data() noexcept { return data_.get(); }
  [[nodiscard]] std::byte const* data() const noexcept { return data_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::byte* begin() noexcept { return data(); }
  [[nodiscard]] std::byte* end() noexcept { return data() + size_; }
  [[nodiscard]] std::byte const* begin() const noexcept { return data(); }
  [[nodiscard]] std::byte const* end() const noexcept { return data() + size_; }
  [[nodiscard]] std::byte& operator[](std::size_t i) noexcept { return data()[i]; }
  [[nodiscard]] std::byte const& operator[](std::size_t i) const noexcept { return data()[i]; }

  /// Appends `n` bytes of no defined value and returns the first; the caller writes them all.
  /// Throws std::bad_alloc and then changes nothing.
  [[nodiscard]] std::byte* grow(std::size_t n) {
    if (capacity_ - size_ < n) [[unlikely]]
      make_room(n);
    std::byte* const first = data_.get() + size_;
    size_ += n;
    return first;
  }
  /// `data` must not lie inside this buffer.
  void append(void const* data, std::size_t size) {
    std::byte* const target = grow(size);
    if (size != 0) std::memcpy(target, data, size);
  }
  /// Bytes past the old size have no defined value.
  void resize_uninitialised(std::size_t size) {
    if (size > size_) {
      static_cast<void>(grow(size - size_));
    } else {
      size_ = size;
    }
  }
  void reserve(std::size_t capacity) {
    if (capacity > capacity_) reallocate(capacity);
  }
  /// Keeps the capacity; assign `{}` to give the memory back.
  void clear() noexcept { size_ = 0; }

 private:
  struct Free {
    void operator()(std::byte* data) const noexcept { std::free(data); }
  };

  [[gnu::noinline]] void make_room(std::size_t n) {
    constexpr std::size_t kFirst = 256;
    if (n > PTRDIFF_MAX - size_) throw std::bad_alloc();
    std::size_t const wanted = size_ + n;
    std::size_t const doubled = capacity_ < kFirst / 2 ? kFirst : 2 * capacity_;
    reallocate(wanted > doubled ? wanted : doubled);
  }
  void reallocate(std::size_t capacity) {
    // realloc moves big blocks by remapping their pages; new and memcpy cannot.
    void* const moved = std::realloc(data_.get(), capacity);
    if (moved == nullptr) throw std::bad_alloc();
    static_cast<void>(data_.release());
    data_.reset(static_cast<std::byte*>(moved));
    capacity_ = capacity;
  }

  std::unique_ptr<std::byte[], Free> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace cohort
