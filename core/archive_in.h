// The loading half of core/archive.h, whose rules on hostile bytes hold here.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <boost/mpl/bool.hpp>
#include <boost/serialization/serialization.hpp>
#include <boost/serialization/version.hpp>

#include "core/archive_types.h"

namespace cohort {

/// The bytes are not those of the type that was asked for. The text says what was expected, where,
/// and how many bytes are left.
class DecodeError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A Boost "loading archive" over bytes that must outlive it.
class InArchive {
 public:
  using is_saving = boost::mpl::false_;
  using is_loading = boost::mpl::true_;

  explicit InArchive(std::span<std::byte const> bytes) noexcept
      : begin_(bytes.data()), cursor_(begin_), end_(begin_ + bytes.size()) {}
  InArchive(InArchive const&) = delete;
  InArchive& operator=(InArchive const&) = delete;

  /// `value` is an object, or a temporary wrapper such as make_nvp(...).
  template <class T>
  InArchive& operator>>(T&& value) {
    load(value);
    return *this;
  }
  template <class T>
  InArchive& operator&(T&& value) {
    load(value);
    return *this;
  }
  void load_binary(void* data, std::size_t size) {
    std::byte const* const source = take(size);
    if (size != 0) std::memcpy(data, source, size);
  }

  [[nodiscard]] std::size_t left() const noexcept {
    return static_cast<std::size_t>(end_ - cursor_);
  }
  /// Throws DecodeError if bytes are left over.
  void finish() const {
    if (cursor_ != end_) fail("the end");
  }

  [[nodiscard]] boost::serialization::library_version_type get_library_version() const {
    return archive::library_version();
  }
  template <class T>
  void register_type(T const* = nullptr) noexcept {}
  void reset_object_address(void const*, void const*) noexcept {}
  void delete_created_pointers() noexcept {}
  template <class Helper>
  Helper& get_helper(void const* = nullptr) {
    return archive::refuse_helper<Helper>();
  }

 private:
  template <class T>
  void load(T& value) {
    using Value = std::remove_const_t<T>;
    if constexpr (archive::kIsBoostType<Value>) {
      load_boost(value);
    } else if constexpr (archive::kIsWrapper<Value>) {
      load_class(const_cast<Value&>(value));
    } else if constexpr (archive::kIsPointer<Value>) {
      archive::refuse_pointer<Value>();
    } else if constexpr (std::is_const_v<T>) {
      static_assert(archive::kNever<T>, "cohort: cannot load into a const object");
    } else if constexpr (archive::kBitwise<T>) {
      std::memcpy(std::addressof(value), take(sizeof(T)), sizeof(T));
    } else if constexpr (archive::kIsBool<T>) {
      value = static_cast<T>(take_flag());
    } else if constexpr (std::is_array_v<T>) {
      for (auto& element : value) load(element);
    } else if constexpr (archive::kIsContainer<T>) {
      load_container(value);
    } else if constexpr (archive::kIsAdapter<T>) {
      load(archive::container_of(value));
    } else if constexpr (archive::PathLike<T>) {
      typename T::string_type native;
      load(native);
      value = std::move(native);
    } else {
      load_class(value);
    }
  }

  template <class Char, class Traits, class Allocator>
  void load(std::basic_string<Char, Traits, Allocator>& value) {
    load_block(value);
  }
  template <class T, class Allocator>
  void load(std::vector<T, Allocator>& value) {
    if constexpr (archive::kBitwise<T>) {
      load_block(value);
    } else if constexpr (std::is_same_v<T, bool>) {
      value.assign(take_count(1), false);
      for (auto element : value) element = take_flag();
    } else {
      load_container(value);
    }
  }
  template <class T, std::size_t N>
  void load(std::array<T, N>& value) {
    if constexpr (archive::kBitwise<std::array<T, N>>) {
      load_binary(value.data(), sizeof(T) * N);
    } else {
      if constexpr (N == 0) take_zero();
      for (auto& element : value) load(element);
    }
  }
  template <class First, class Second>
  void load(std::pair<First, Second>& value) {
    load(const_cast<std::remove_const_t<First>&>(value.first));  // as Boost does: map elements
    load(value.second);
  }
  template <class... Ts>
  void load(std::tuple<Ts...>& value) {
    if constexpr (sizeof...(Ts) == 0) take_zero();
    load_elements(value);
  }
  template <class T>
  void load(std::optional<T>& value) {
    value.reset();
    static_assert(archive::check_default_constructible<T>());
    if (take_flag()) load(value.emplace());
  }
  template <class T, class Deleter>
  void load(std::unique_ptr<T, Deleter>& value) {
    static_assert(archive::check_unique_ptr<T, Deleter>());
    value.reset();
    if (!take_flag()) return;
    static_assert(archive::check_default_constructible<T>());
    auto made = std::make_unique<std::remove_const_t<T>>();
    load(*made);
    value = std::move(made);
  }
  template <class... Ts>
  void load(std::variant<Ts...>& value) {
    unsigned const index = take_byte();
    if (index >= sizeof...(Ts)) fail_value("a variant's index", index);
    load_alternative(value, index, std::index_sequence_for<Ts...>());
  }
  void load(std::monostate&) { take_zero(); }
  template <class Rep, class Period>
  void load(std::chrono::duration<Rep, Period>& value) {
    Rep count{};
    load(count);
    value = std::chrono::duration<Rep, Period>(count);
  }
  template <class Duration>
  void load(std::chrono::time_point<std::chrono::system_clock, Duration>& value) {
    Duration since_epoch{};
    load(since_epoch);
    value = std::chrono::time_point<std::chrono::system_clock, Duration>(since_epoch);
  }

  std::byte const* take(std::size_t size) {
    if (left() < size) [[unlikely]]
      fail_short(size);
    return std::exchange(cursor_, cursor_ + size);
  }
  unsigned take_byte() { return std::to_integer<unsigned>(*take(1)); }
  void take_zero() {
    if (unsigned const found = take_byte(); found != 0) fail_value("a zero byte", found);
  }
  bool take_flag() {
    unsigned const found = take_byte();
    if (found > 1) [[unlikely]]
      fail_value("a bool", found);
    return found == 1;
  }
  /// A count of things that take at least `size` bytes each, which are there.
  std::size_t take_count(std::size_t size) {
    std::uint64_t count = 0;
    std::memcpy(&count, take(sizeof count), sizeof count);
    if (count > left() / size) [[unlikely]]
      fail_count(count, size);
    return static_cast<std::size_t>(count);
  }

  /// A vector or a string of bitwise elements. Aligned blocks are copied once, without zero-fill.
  template <class Block>
  void load_block(Block& block) {
    using T = typename Block::value_type;
    std::size_t const count = take_count(sizeof(T));
    std::byte const* const source = take(count * sizeof(T));
    if (reinterpret_cast<std::uintptr_t>(source) % alignof(T) == 0) {
      auto const* const first = reinterpret_cast<T const*>(source);
      block.assign(first, first + count);
    } else {
      block.resize(count);
      if (count != 0) std::memcpy(block.data(), source, count * sizeof(T));
    }
  }
  template <class Container>
  void load_container(Container& container) {
    std::size_t const count = take_count(1);
    container.clear();
    if constexpr (requires { container.reserve(count); }) {
      // Never more memory than there are bytes: small elements may stand for big objects.
      container.reserve(std::min(count, left() / sizeof(typename Container::value_type)));
    }
    archive::Appender<Container> appender(container);
    for (std::size_t i = 0; i != count; ++i)
      appender.append([this](auto& part) { this->load(part); });
  }
  template <class... Ts>
  void load_elements(std::tuple<Ts...>& value) {
    std::apply([this](auto&... elements) { (this->load(elements), ...); }, value);
  }
  template <class Variant, std::size_t... Index>
  void load_alternative(Variant& value, std::size_t index, std::index_sequence<Index...>) {
    static_assert((
        archive::check_default_constructible<std::variant_alternative_t<Index, Variant>>() && ...));
    static_cast<void>(((Index == index && (load(value.template emplace<Index>()), true)) || ...));
  }
  template <class T>
  void load_boost(T& value) {
    namespace bs = boost::serialization;
    using Value = std::remove_const_t<T>;
    if constexpr (archive::kIs<Value, bs::nvp>) {
      load(value.value());
    } else if constexpr (archive::kIs<Value, bs::array_wrapper>) {
      using Element = std::remove_pointer_t<decltype(value.address())>;
      if constexpr (archive::kBitwise<Element>) {
        if (value.count() > left() / sizeof(Element)) fail_count(value.count(), sizeof(Element));
        load_binary(value.address(), value.count() * sizeof(Element));
      } else {
        for (Element& element : std::span(value.address(), value.count())) load(element);
      }
    } else if constexpr (std::is_same_v<Value, bs::binary_object>) {
      load_binary(const_cast<void*>(value.m_t), value.m_size);
    } else if constexpr (std::is_same_v<Value, bs::collection_size_type>) {
      value = bs::collection_size_type(take_count(1));
    } else if constexpr (std::is_same_v<Value, bs::library_version_type>) {
      value = get_library_version();
    } else {
      unsigned int version = 0;
      load(version);
      value = Value(version);
    }
  }
  template <class T>
  void load_class(T& value) {
    archive::Nesting const level(depth_);
    std::byte const* const before = cursor_;
    if constexpr (archive::check_serializable<T, InArchive>()) {
      boost::serialization::serialize_adl(*this, value, boost::serialization::version<T>::value);
    }
    if (cursor_ == before) take_zero();
  }

  [[noreturn]] void fail(std::string const& expected) const;
  [[noreturn]] void fail_short(std::size_t size) const;
  [[noreturn]] void fail_count(std::uint64_t count, std::size_t size) const;
  [[noreturn]] void fail_value(char const* expected, unsigned found) const;

  template <class T>
  friend T decode(std::span<std::byte const> bytes);
  template <class T>
  friend T decode_front(std::span<std::byte const>& bytes);

  std::byte const* begin_;
  std::byte const* cursor_;
  std::byte const* end_;
  unsigned depth_ = 0;
};

}  // namespace cohort
