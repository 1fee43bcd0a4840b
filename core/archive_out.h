// The saving half of core/archive.h, whose rules on borrowing and on the wire hold here.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
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
#include "core/message.h"

namespace cohort {

/// A Boost "saving archive" onto a Message.
class OutArchive {
 public:
  using is_saving = boost::mpl::true_;
  using is_loading = boost::mpl::false_;

  /// Appends to `out`, which must outlive the archive.
  explicit OutArchive(Message& out) noexcept : out_(out) {}
  OutArchive(OutArchive const&) = delete;
  OutArchive& operator=(OutArchive const&) = delete;

  template <class T>
  OutArchive& operator<<(T const& value) {
    save(value);
    return *this;
  }
  template <class T>
  OutArchive& operator&(T const& value) {
    return *this << value;
  }
  void save_binary(void const* data, std::size_t size) { out_.append(data, size); }

  // What Boost.Serialization asks of an archive, and what has no meaning without tracking.
  [[nodiscard]] boost::serialization::library_version_type get_library_version() const {
    return archive::library_version();
  }
  template <class T>
  void register_type(T const* = nullptr) noexcept {}
  template <class Helper>
  Helper& get_helper(void const* = nullptr) {
    return archive::refuse_helper<Helper>();
  }

 private:
  template <class T>
  void save(T const& value) {
    if constexpr (archive::kBitwise<T>) {
      std::memcpy(out_.grow(sizeof(T)), std::addressof(value), sizeof(T));
    } else if constexpr (archive::kIsBool<T>) {
      save_byte(static_cast<bool>(value) ? 1 : 0);
    } else if constexpr (std::is_array_v<T>) {
      for (auto const& element : value) save(element);
    } else if constexpr (archive::kIsPointer<T>) {
      archive::refuse_pointer<T>();
    } else if constexpr (archive::kIsContainer<T>) {
      save_container(value);
    } else if constexpr (archive::kIsAdapter<T>) {
      save(archive::container_of(value));
    } else if constexpr (archive::kIsBoostType<T>) {
      save_boost(value);
    } else if constexpr (archive::PathLike<T>) {
      save(value.native());
    } else {
      save_class(value);
    }
  }

  template <class Char, class Traits, class Allocator>
  void save(std::basic_string<Char, Traits, Allocator> const& value) {
    save_block<Allocator>(value.data(), value.size());
  }
  template <class T, class Allocator>
  void save(std::vector<T, Allocator> const& value) {
    if constexpr (archive::kBitwise<T>) {
      save_block<Allocator>(value.data(), value.size());
    } else if constexpr (std::is_same_v<T, bool>) {
      save_count(value.size());
      for (bool const element : value) save(element);
    } else {
      save_container(value);
    }
  }
  template <class T, std::size_t N>
  void save(std::array<T, N> const& value) {
    if constexpr (archive::kBitwise<std::array<T, N>>) {
      save_binary(value.data(), sizeof(T) * N);
    } else {
      if constexpr (N == 0) save_byte(0);
      for (auto const& element : value) save(element);
    }
  }
  template <class First, class Second>
  void save(std::pair<First, Second> const& value) {
    save(value.first);
    save(value.second);
  }
  template <class... Ts>
  void save(std::tuple<Ts...> const& value) {
    if constexpr (sizeof...(Ts) == 0) save_byte(0);
    std::apply([this](auto const&... elements) { (this->save(elements), ...); }, value);
  }
  template <class T>
  void save(std::optional<T> const& value) {
    save_byte(value.has_value() ? 1 : 0);
    if (value) save(*value);
  }
  template <class T, class Deleter>
  void save(std::unique_ptr<T, Deleter> const& value) {
    static_assert(archive::check_unique_ptr<T, Deleter>());
    save_byte(value ? 1 : 0);
    if (value) save(*value);
  }
  /// Throws std::bad_variant_access for a variant that is valueless by exception.
  template <class... Ts>
  void save(std::variant<Ts...> const& value) {
    static_assert(sizeof...(Ts) <= 255, "cohort: a variant's index travels as one byte");
    save_byte(static_cast<unsigned char>(value.index()));
    std::visit([this](auto const& alternative) { this->save(alternative); }, value);
  }
  void save(std::monostate) { save_byte(0); }
  template <class Rep, class Period>
  void save(std::chrono::duration<Rep, Period> value) {
    save(value.count());
  }
  template <class Duration>
  void save(std::chrono::time_point<std::chrono::system_clock, Duration> value) {
    save(value.time_since_epoch());
  }

  void save_byte(unsigned char byte) { *out_.grow(1) = std::byte{byte}; }
  void save_count(std::uint64_t count) { save(count); }

  /// A count and the elements as one block, borrowed where the rule at the top allows it.
  template <class Allocator, class T>
  void save_block(T const* data, std::size_t count) {
    std::uint64_t const wire_count = count;
    std::size_t const size = count * sizeof(T);
    if (size >= Message::kBorrowAtLeast && depth_ == 0 &&
        std::allocator_traits<Allocator>::is_always_equal::value) {
      save_count(wire_count);
      out_.borrow(std::as_bytes(std::span(data, count)));
      return;
    }
    std::byte* const target = out_.grow(sizeof wire_count + size);
    std::memcpy(target, &wire_count, sizeof wire_count);
    if (size != 0) std::memcpy(target + sizeof wire_count, data, size);
  }
  template <class Container>
  void save_container(Container const& container) {
    save_count(static_cast<std::uint64_t>(archive::count_of(container)));
    for (auto const& element : container) save(element);
  }
  template <class T>
  void save_boost(T const& value) {
    namespace bs = boost::serialization;
    if constexpr (archive::kIs<T, bs::nvp>) {
      save(value.const_value());
    } else if constexpr (archive::kIs<T, bs::array_wrapper>) {
      using Element = std::remove_cv_t<std::remove_pointer_t<decltype(value.address())>>;
      if constexpr (archive::kBitwise<Element>) {
        save_binary(value.address(), value.count() * sizeof(Element));
      } else {
        for (Element const& element : std::span(value.address(), value.count())) save(element);
      }
    } else if constexpr (std::is_same_v<T, bs::binary_object>) {
      save_binary(value.m_t, value.m_size);
    } else if constexpr (std::is_same_v<T, bs::collection_size_type>) {
      save_count(value);
    } else if constexpr (!std::is_same_v<T, bs::library_version_type>) {
      save(static_cast<unsigned int>(value));  // item_version_type and version_type
    }
  }
  /// Into user code: what follows may be temporary.
  template <class T>
  void save_class(T const& value) {
    archive::Nesting const level(depth_);
    std::size_t const before = out_.bytes().size();
    if constexpr (archive::check_serializable<T, OutArchive>()) {
      boost::serialization::serialize_adl(*this, const_cast<T&>(value),
                                          boost::serialization::version<T>::value);
    }
    if (out_.bytes().size() == before) save_byte(0);
  }

  template <class... Ts>
  friend void encode_all(Message& out, Ts const&... values);

  Message& out_;
  unsigned depth_ = 0;  ///< of user code; 0 where blocks outlive the archive
};

}  // namespace cohort
