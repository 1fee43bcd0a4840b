// The one place of cohort that knows Boost.Serialization: values to bytes and back, for any type
// that has a Boost `serialize`. Only values travel: no tracking, no stream, no type information.
//
// Borrowing. The heap block of a std::vector of bitwise elements, or of a std::string, is not
// copied into the Message when it has at least Message::kBorrowAtLeast bytes: the Message refers to
// it, and so the encoded values must outlive the Message's sending; they may be moved meanwhile.
// This happens only for blocks that are reached without passing through a user's (or Boost's)
// `serialize`, where a block may belong to a temporary: the value itself, or inside the types that
// this archive handles natively. Blocks of std::array and C arrays move with their owner and are
// always copied.
//
// Hostile bytes give DecodeError and nothing worse. Each length is checked against the bytes that
// are left before anything is allocated, containers grow as their elements arrive, and classes nest
// at most archive::kMaxNesting deep. For `count <= bytes left` to be sound, each object takes at
// least one byte: a class that writes nothing is given a zero byte. A boost::collection_size_type
// is held to the same rule, so `serialize` must use it only for a number of objects that follow.
//
// The wire has the machine's own byte order and sizes, and no class versions: both sides run the
// same executable. `serialize` is given the version of BOOST_CLASS_VERSION.
#pragma once

#include <cstddef>
#include <span>
#include <tuple>

#include "core/archive_in.h"
#include "core/archive_out.h"
#include "core/message.h"

namespace cohort {

/// Appends the values one after the other; see "Borrowing" for how long they must live. If a
/// user's `serialize` throws, what was written of them remains in `out`.
template <class... Ts>
void encode_all(Message& out, Ts const&... values) {
  OutArchive to(out);
  (to.save(values), ...);
}

/// Appends `value`, which is all that a message holds. A tuple is its elements one after the other,
/// as encode_all writes them, and an empty one nothing: what follows others needs encode_all.
template <class T>
void encode(Message& out, T const& value) {
  if constexpr (archive::kIs<T, std::tuple>) {
    std::apply([&out](auto const&... elements) { encode_all(out, elements...); }, value);
  } else {
    encode_all(out, value);
  }
}

/// The value at the front of `bytes`, which is cut down to what follows it. Throws DecodeError.
template <class T>
[[nodiscard]] T decode_front(std::span<std::byte const>& bytes) {
  if constexpr (archive::kBitwise<T>) {
    InArchive from(bytes);
    T value;
    from.load(value);
    bytes = bytes.subspan(sizeof value);
    return value;
  } else {
    try {
      InArchive from(bytes);
      T value = archive::make<T>();
      from.load(value);
      bytes = bytes.last(from.left());
      return value;
    } catch (...) {
      archive::rethrow_as_decode_error();
    }
  }
}

/// The value whose bytes these are, all of them; a tuple for what encode_all wrote. Throws
/// DecodeError, and only that, if the bytes are not a T: also for what a user's `serialize` throws.
/// std::bad_alloc passes: the counts were true and the memory is short.
template <class T>
[[nodiscard]] T decode(std::span<std::byte const> bytes) {
  try {
    InArchive from(bytes);
    T value = archive::make<T>();
    if constexpr (archive::kIs<T, std::tuple>) {
      from.load_elements(value);
    } else {
      from.load(value);
    }
    from.finish();
    return value;
  } catch (...) {
    archive::rethrow_as_decode_error();
  }
}

}  // namespace cohort
