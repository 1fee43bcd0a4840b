// The types that core/archive.h knows, and what it refuses. Includes Boost.Serialization's headers,
// so that users need none of them.
#pragma once

#include <array>
#include <complex>
#include <concepts>
#include <cstddef>
#include <deque>
#include <forward_list>
#include <functional>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <span>
#include <stack>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <boost/serialization/access.hpp>
#include <boost/serialization/array.hpp>
#include <boost/serialization/array_wrapper.hpp>
#include <boost/serialization/base_object.hpp>
#include <boost/serialization/binary_object.hpp>
#include <boost/serialization/bitset.hpp>
#include <boost/serialization/collection_size_type.hpp>
#include <boost/serialization/complex.hpp>
#include <boost/serialization/is_bitwise_serializable.hpp>
#include <boost/serialization/item_version_type.hpp>
#include <boost/serialization/library_version_type.hpp>
#include <boost/serialization/nvp.hpp>
#include <boost/serialization/serialization.hpp>
#include <boost/serialization/split_free.hpp>
#include <boost/serialization/split_member.hpp>
#include <boost/serialization/valarray.hpp>
#include <boost/serialization/wrapper.hpp>

namespace cohort::archive {

/// How deep classes with a `serialize` may nest in each other, as in a list linked by unique_ptr:
/// hostile bytes must not exhaust the stack. Deeper values are refused on both sides.
inline constexpr unsigned kMaxNesting = 1000;

template <class T>
inline constexpr bool kNever = false;

template <class T, template <class...> class Template>
inline constexpr bool kIs = false;
template <template <class...> class Template, class... Arguments>
inline constexpr bool kIs<Template<Arguments...>, Template> = true;

/// bool, or an enum over it: the only scalars with bytes that are no value.
template <class T>
inline constexpr bool kIsBool = std::is_same_v<T, bool>;
template <class T>
requires std::is_enum_v<T>
inline constexpr bool kIsBool<T> = std::is_same_v<std::underlying_type_t<T>, bool>;

/// Types whose objects travel as their own bytes, so that a run of them is one block. For a class
/// that a user marked with BOOST_IS_BITWISE_SERIALIZABLE this means that its members (bools too)
/// are not checked.
template <class T>
inline constexpr bool kBitwise = std::conjunction_v<
    std::negation<std::bool_constant<kIsBool<T>>>,
    std::disjunction<
        std::is_arithmetic<T>, std::is_enum<T>,
        std::conjunction<std::is_class<T>, boost::serialization::is_bitwise_serializable<T>,
                         std::is_trivially_copyable<T>>>>;
template <class T, std::size_t N>
inline constexpr bool kBitwise<T[N]> = kBitwise<T>;
template <class T, std::size_t N>
inline constexpr bool kBitwise<std::array<T, N>> = N != 0 && kBitwise<T>;

template <class T>
inline constexpr bool kIsPointer =
    std::is_pointer_v<T> || std::is_member_pointer_v<T> || std::is_null_pointer_v<T> ||
    kIs<T, std::shared_ptr> || kIs<T, std::weak_ptr> || kIs<T, std::reference_wrapper>;

template <class T>
inline constexpr bool kIsMap = kIs<T, std::map> || kIs<T, std::multimap> ||
                               kIs<T, std::unordered_map> || kIs<T, std::unordered_multimap>;
template <class T>
inline constexpr bool kIsSet = kIs<T, std::set> || kIs<T, std::multiset> ||
                               kIs<T, std::unordered_set> || kIs<T, std::unordered_multiset>;
template <class T>
inline constexpr bool kIsContainer =
    kIsMap<T> || kIsSet<T> || kIs<T, std::list> || kIs<T, std::deque> || kIs<T, std::forward_list>;

template <class T>
inline constexpr bool kIsAdapter =
    kIs<T, std::stack> || kIs<T, std::queue> || kIs<T, std::priority_queue>;

/// Boost's own wrappers and numbers, which the archive sees through.
template <class T>
inline constexpr bool kIsBoostType =
    kIs<T, boost::serialization::nvp> || kIs<T, boost::serialization::array_wrapper> ||
    std::is_same_v<T, boost::serialization::binary_object> ||
    std::is_same_v<T, boost::serialization::collection_size_type> ||
    std::is_same_v<T, boost::serialization::item_version_type> ||
    std::is_same_v<T, boost::serialization::library_version_type> ||
    std::is_same_v<T, boost::serialization::version_type>;
template <class T>
inline constexpr bool kIsWrapper = boost::serialization::is_wrapper<T>::type::value;

/// std::filesystem::path, without its header.
template <class T>
concept PathLike = std::is_class_v<T> && requires(T const& path, T& target) {
  typename T::string_type;
  T::preferred_separator;
  { path.native() } -> std::same_as<typename T::string_type const&>;
  target = typename T::string_type();
};

template <class T>
constexpr void refuse_pointer() {
  static_assert(kNever<T>,
                "cohort: only values travel between processes. Raw, shared and weak pointers are "
                "refused, because pointers would need tracking; std::unique_ptr and "
                "std::optional work");
}
template <class T, class Deleter>
constexpr bool check_unique_ptr() {
  static_assert(!std::is_array_v<T>, "cohort: unique_ptr<T[]> has no length; use std::vector");
  static_assert(std::is_same_v<Deleter, std::default_delete<T>>,
                "cohort: only values travel, and a unique_ptr's own deleter is none");
  static_assert(!std::is_polymorphic_v<T>,
                "cohort: only values travel between processes. A unique_ptr to a polymorphic class "
                "is refused, because its dynamic type would need tracking; std::unique_ptr "
                "and std::optional of a class without virtual functions work, and std::variant");
  return true;
}
template <class Helper>
Helper& refuse_helper() {
  static_assert(kNever<Helper>,
                "cohort: only values travel between processes. get_helper is refused, because "
                "helpers serve shared pointers, and pointers would need tracking; "
                "std::unique_ptr and std::optional work");
  throw 0;
}

// What follows is asked in a static_assert of its own, so that the compiler says what is wrong with
// a type before it stumbles over that itself.

template <class T>
constexpr bool check_default_constructible() {
  static_assert(std::is_default_constructible_v<T>,
                "cohort: a type that travels needs a public default constructor: write `T() = "
                "default;`, or let the function take another type");
  return true;
}
/// A value to load into.
template <class T>
T make() {
  static_assert(check_default_constructible<T>());
  return T();
}

/// As Boost's own, which calls the member. A call that finds nothing better finds both.
namespace no_better {
template <class Archive, class T>
void serialize(Archive&, T&, unsigned int);
template <class T, class Archive>
concept FreelySerialized = requires(Archive& archive, T& value,
                                    boost::serialization::version_type version) {
  serialize(archive, value, version);
};
}  // namespace no_better

template <class T, class Archive>
concept SerializedByMember = requires(Archive& archive, T& value) {
  value.serialize(archive, 0U);
};

/// Has a member of that name, which only boost::serialization::access may be allowed to see: one
/// more makes the name ambiguous.
struct NamesSerialize {
  int serialize;
};
template <class T>
struct WithOneMore : T, NamesSerialize {};
template <class T>
constexpr bool has_hidden_member() {
  if constexpr (std::is_class_v<T> && !std::is_final_v<T>) {
    return !requires { &WithOneMore<T>::serialize; };
  } else {
    return std::is_class_v<T>;  // it cannot be derived from: let Boost say
  }
}

template <class T>
inline constexpr bool kIsView = false;
template <class Char, class Traits>
inline constexpr bool kIsView<std::basic_string_view<Char, Traits>> = true;
template <class T, std::size_t Extent>
inline constexpr bool kIsView<std::span<T, Extent>> = true;

template <class T, class Archive>
constexpr bool check_serializable() {
  static_assert(!kIsView<T>,
                "cohort: a view does not travel, since it does not own what it shows: take a "
                "std::string or a std::vector");
  if constexpr (kIsView<T>) {
    return false;
  } else if constexpr (SerializedByMember<T, Archive> || no_better::FreelySerialized<T, Archive>) {
    return true;
  } else {
    static_assert(has_hidden_member<T>(),
                  "cohort: this type cannot travel without a `serialize`: write in it `template "
                  "<class Archive> void serialize(Archive& archive, unsigned) { archive & a & b; "
                  "}` with the names of its members");
    return has_hidden_member<T>();
  }
}

/// One level of user code; throws std::length_error beyond kMaxNesting.
class Nesting {
 public:
  explicit Nesting(unsigned& depth) : depth_(depth) {
    if (depth_ == kMaxNesting) [[unlikely]]
      fail();
    ++depth_;
  }
  ~Nesting() { --depth_; }
  Nesting(Nesting const&) = delete;
  Nesting& operator=(Nesting const&) = delete;

 private:
  [[noreturn]] static void fail();
  unsigned& depth_;
};

/// Turns the exception that is being handled into a DecodeError, also one that is no
/// std::exception; passes DecodeError and bad_alloc.
[[noreturn]] void rethrow_as_decode_error();

/// Boost 1.74's: its container loaders expect an item version from any above 3.
inline boost::serialization::library_version_type library_version() {
  return boost::serialization::library_version_type(18);
}

/// The container of a std::stack, queue or priority_queue: a protected member.
template <class Adapter>
auto& container_of(Adapter& adapter) {
  struct Access : std::remove_const_t<Adapter> {
    static auto member() { return &Access::c; }
  };
  return adapter.*Access::member();
}

template <class Container>
std::size_t count_of(Container const& container) {
  if constexpr (kIs<Container, std::forward_list>) {
    return static_cast<std::size_t>(std::distance(container.begin(), container.end()));
  } else {
    return container.size();
  }
}

/// Adds elements at an empty container's end, each loaded by `load(part)`.
template <class Container>
class Appender {
 public:
  explicit Appender(Container& container) : container_(container) {}

  template <class Load>
  void append(Load const& load) {
    if constexpr (kIsMap<Container>) {
      auto key = make<typename Container::key_type>();
      load(key);
      auto mapped = make<typename Container::mapped_type>();
      load(mapped);
      container_.emplace_hint(container_.end(), std::move(key), std::move(mapped));
    } else if constexpr (kIsSet<Container>) {
      auto key = make<typename Container::key_type>();
      load(key);
      container_.emplace_hint(container_.end(), std::move(key));
    } else {
      static_assert(check_default_constructible<typename Container::value_type>());
      load(container_.emplace_back());
    }
  }

 private:
  Container& container_;
};
template <class T, class Allocator>
class Appender<std::forward_list<T, Allocator>> {
 public:
  explicit Appender(std::forward_list<T, Allocator>& list)
      : list_(list), last_(list.before_begin()) {}

  template <class Load>
  void append(Load const& load) {
    last_ = list_.emplace_after(last_);
    load(*last_);
  }

 private:
  std::forward_list<T, Allocator>& list_;
  typename std::forward_list<T, Allocator>::iterator last_;
};

}  // namespace cohort::archive
