#include "core/archive.h"

#include <array>
#include <bitset>
#include <chrono>
#include <cmath>
#include <complex>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <filesystem>
#include <forward_list>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <set>
#include <span>
#include <stack>
#include <stdexcept>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <valarray>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

namespace cohort_archive_test {

struct Plain {
  std::int64_t id = 0;
  std::string name;
  std::vector<double> data;
  bool operator==(Plain const&) const = default;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& BOOST_SERIALIZATION_NVP(id);
    archive& name& data;
  }
};

struct Free {
  int value = 0;
  bool operator==(Free const&) const = default;
};
template <class Archive>
void serialize(Archive& archive, Free& free, unsigned) {
  archive& free.value;
}

struct SplitFree {
  int value = 0;
  bool operator==(SplitFree const&) const = default;
};

class Private {
 public:
  Private() = default;
  explicit Private(int value) : value_(value) {}
  bool operator==(Private const&) const = default;

 private:
  friend class boost::serialization::access;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& value_;
  }
  int value_ = 0;
};

class Split {
 public:
  Split() = default;
  explicit Split(double angle) : sine_(std::sin(angle)), angle_(angle) {}
  bool operator==(Split const&) const = default;

 private:
  friend class boost::serialization::access;
  template <class Archive>
  void save(Archive& archive, unsigned) const {
    archive << angle_;
  }
  template <class Archive>
  void load(Archive& archive, unsigned) {
    archive >> angle_;
    sine_ = std::sin(angle_);
  }
  BOOST_SERIALIZATION_SPLIT_MEMBER()
  double sine_ = 0;
  double angle_ = 0;
};

struct Versioned {
  unsigned seen = 0;
  template <class Archive>
  void serialize(Archive& archive, unsigned version) {
    unsigned written = version;
    archive& written;
    seen = 100 * written + version;
  }
};

struct Derived : Plain {
  std::array<bool, 3> flags{};
  bool operator==(Derived const&) const = default;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive.template register_type<Derived>();
    archive& BOOST_SERIALIZATION_BASE_OBJECT_NVP(Plain);
    archive& flags;
  }
};

struct Wrapped {
  std::vector<double> owned = std::vector<double>(4);
  std::array<char, 6> raw{};
  unsigned item_version = 0;
  bool library_versions_agree = true;
  bool operator==(Wrapped const&) const = default;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    namespace bs = boost::serialization;
    bs::collection_size_type count(owned.size());
    bs::item_version_type version(item_version);
    bs::library_version_type library_version = archive.get_library_version();
    archive& count& version& library_version;
    owned.resize(count);
    archive& bs::make_array(owned.data(), owned.size());
    archive& bs::make_nvp("raw", bs::make_binary_object(raw.data(), raw.size()));
    item_version = version;
    library_versions_agree = library_version == archive.get_library_version();
  }
};

struct Point {
  float x, y, z;
  bool operator==(Point const&) const = default;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& x& y& z;
  }
};

struct Empty {
  bool operator==(Empty const&) const = default;
  template <class Archive>
  void serialize(Archive&, unsigned) {}
};

struct Chain {
  int value = 0;
  std::unique_ptr<Chain> next;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& value& next;
  }
};

/// Its `save` writes a big vector that dies when `save` returns.
struct Temporary {
  int seed = 0;
  template <class Archive>
  void save(Archive& archive, unsigned) const {
    std::vector<double> const local(10000, seed);
    archive << local;
  }
  template <class Archive>
  void load(Archive& archive, unsigned) {
    std::vector<double> local;
    archive >> local;
    seed = static_cast<int>(local.at(9999));
  }
  BOOST_SERIALIZATION_SPLIT_MEMBER()
};

/// Refuses what it reads by an exception of its own.
struct Even {
  int value = 0;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& value;
    if (value % 2 != 0) throw std::invalid_argument("odd");
  }
};

enum class Colour : std::uint16_t { kRed = 1, kBlue = 500 };
enum class Switch : bool { kOff, kOn };

}  // namespace cohort_archive_test

BOOST_CLASS_VERSION(cohort_archive_test::Versioned, 7)
BOOST_IS_BITWISE_SERIALIZABLE(cohort_archive_test::Point)
BOOST_SERIALIZATION_SPLIT_FREE(cohort_archive_test::SplitFree)
namespace boost::serialization {
template <class Archive>
void save(Archive& archive, cohort_archive_test::SplitFree const& object, unsigned) {
  int const doubled = 2 * object.value;
  archive << doubled;
}
template <class Archive>
void load(Archive& archive, cohort_archive_test::SplitFree& object, unsigned) {
  archive >> object.value;
  object.value /= 2;
}
}  // namespace boost::serialization

namespace cohort {
namespace {

using namespace cohort_archive_test;
using Bytes = std::vector<std::byte>;

/// What the wire carries: encoded bytes with the borrowed blocks in their places.
Bytes wire_of(Message const& message) {
  Bytes wire;
  std::size_t at = 0;
  auto const encoded_until = [&](std::size_t end) {
    wire.insert(wire.end(), message.bytes().begin() + at, message.bytes().begin() + end);
    at = end;
  };
  for (Message::Block const& block : message.blocks()) {
    encoded_until(block.at);
    wire.insert(wire.end(), block.bytes.begin(), block.bytes.end());
  }
  encoded_until(message.bytes().size());
  EXPECT_EQ(wire.size(), message.size());
  return wire;
}

template <class T>
Bytes wire_of_value(T const& value) {
  Message message;
  encode(message, value);
  return wire_of(message);
}

template <class T>
T round_trip(T const& value) {
  return decode<T>(wire_of_value(value));
}

template <class T>
void expect_round_trip(T const& value) {
  EXPECT_TRUE(round_trip(value) == value);
  // The same bytes at an odd address: blocks are then not aligned.
  Bytes shifted = wire_of_value(value);
  shifted.insert(shifted.begin(), std::byte{});
  EXPECT_TRUE(decode<T>(std::span(shifted).subspan(1)) == value);
}

Plain plain(int i) { return {i, "name " + std::to_string(i), {i * 0.5, -1.0, 1e300}}; }

TEST(Archive, RoundTripsScalars) {
  expect_round_trip(std::numeric_limits<std::int64_t>::min());
  expect_round_trip(std::uint8_t{255});
  expect_round_trip('x');
  expect_round_trip(true);
  expect_round_trip(-0.1f);
  expect_round_trip(std::numeric_limits<double>::infinity());
  expect_round_trip(Colour::kBlue);
  expect_round_trip(Switch::kOn);
  expect_round_trip(std::byte{7});
  expect_round_trip(std::complex<double>(1, -2));
}

TEST(Archive, WritesScalarsAsTheirBytesAndStringsAfterTheirLength) {
  EXPECT_EQ(wire_of_value(std::uint32_t{5}).size(), 4u);
  EXPECT_EQ(wire_of_value(true).size(), 1u);
  EXPECT_EQ(wire_of_value(std::string("abc")).size(), 8u + 3u);
  EXPECT_EQ(wire_of_value(std::vector<double>(3)).size(), 8u + 24u);
  EXPECT_EQ(wire_of_value(std::array<double, 3>{}).size(), 24u);
  EXPECT_EQ(wire_of_value(plain(1)).size(), 8u + (8u + 6u) + (8u + 24u));
}

TEST(Archive, RoundTripsStrings) {
  expect_round_trip(std::string());
  expect_round_trip(std::string("with\0zero", 9));
  expect_round_trip(std::string(100000, 'x'));
  expect_round_trip(std::u32string(U"wide"));
  expect_round_trip(std::filesystem::path("/tmp/some file"));
}

TEST(Archive, RoundTripsVectorsOfBitwiseElements) {
  expect_round_trip(std::vector<double>{});
  expect_round_trip(std::vector<double>{1, 2, 3});
  expect_round_trip(std::vector<std::uint8_t>{1, 2, 3});
  expect_round_trip(std::vector<Colour>{Colour::kRed, Colour::kBlue});
  expect_round_trip(std::vector<std::complex<float>>{{1, 2}, {3, 4}});
  expect_round_trip(std::vector<std::array<double, 3>>{{1, 2, 3}, {4, 5, 6}});
  expect_round_trip(std::vector<Point>{{1, 2, 3}, {4, 5, 6}});
  EXPECT_EQ(wire_of_value(std::vector<Point>(5)).size(), 8u + 5u * sizeof(Point));
}

TEST(Archive, RoundTripsVectorsOfBool) {
  expect_round_trip(std::vector<bool>{});
  expect_round_trip(std::vector<bool>{true, false, true, true});
  expect_round_trip(std::array<bool, 2>{true, false});
  expect_round_trip(std::vector<Switch>{Switch::kOn, Switch::kOff});
}

TEST(Archive, RoundTripsArrays) {
  expect_round_trip(std::array<int, 4>{1, 2, 3, 4});
  expect_round_trip(std::array<std::string, 2>{"a", "b"});
  expect_round_trip(std::array<int, 0>{});
  struct {
    int numbers[3] = {1, 2, 3};
    std::string words[2] = {"one", "two"};
  } source;
  Message message;
  encode_all(message, source.numbers, source.words);
  auto const decoded =
      decode<std::tuple<std::array<int, 3>, std::array<std::string, 2>>>(wire_of(message));
  EXPECT_EQ(std::get<0>(decoded)[2], 3);
  EXPECT_EQ(std::get<1>(decoded)[1], "two");
}

TEST(Archive, RoundTripsOptionalVariantTupleAndPair) {
  expect_round_trip(std::optional<std::string>());
  expect_round_trip(std::optional<std::string>("here"));
  using Choice = std::variant<std::monostate, int, std::string, Plain>;
  expect_round_trip(Choice());
  expect_round_trip(Choice(5));
  expect_round_trip(Choice("text"));
  expect_round_trip(Choice(plain(3)));
  expect_round_trip(std::tuple<int, std::string, std::tuple<>>(1, "x", {}));
  expect_round_trip(std::tuple<>());
  expect_round_trip(std::pair<int, Plain>(1, plain(2)));
}

TEST(Archive, RoundTripsUniquePointers) {
  EXPECT_EQ(round_trip(std::unique_ptr<Plain>()), nullptr);
  EXPECT_EQ(*round_trip(std::make_unique<Plain>(plain(4))), plain(4));
  Chain chain{1, std::make_unique<Chain>(Chain{2, nullptr})};
  Chain const copy = round_trip(chain);
  EXPECT_EQ(copy.next->value, 2);
  EXPECT_EQ(copy.next->next, nullptr);
}

TEST(Archive, RoundTripsTimes) {
  expect_round_trip(std::chrono::milliseconds(-5));
  expect_round_trip(std::chrono::duration<double>(0.25));
  expect_round_trip(std::chrono::system_clock::now());
}

TEST(Archive, RoundTripsContainers) {
  expect_round_trip(std::map<std::string, int>{{"a", 1}, {"b", 2}});
  expect_round_trip(std::multimap<int, std::string>{{1, "x"}, {1, "y"}, {2, "z"}});
  expect_round_trip(std::set<std::string>{"p", "q"});
  expect_round_trip(std::multiset<int>{3, 3, 4});
  expect_round_trip(std::list<double>{1, 2, 3});
  expect_round_trip(std::deque<std::string>{"front", "back"});
  expect_round_trip(std::forward_list<int>{1, 2, 3});
  expect_round_trip(std::forward_list<int>{});
  expect_round_trip(std::unordered_map<int, std::string>{{1, "a"}, {2, "b"}});
  expect_round_trip(std::unordered_multimap<int, int>{{1, 5}, {1, 6}});
  expect_round_trip(std::unordered_set<std::string>{"u", "v"});
  expect_round_trip(std::unordered_multiset<int>{1, 1, 2});
  expect_round_trip(std::bitset<70>("1011"));
  expect_round_trip(std::stack<int>({1, 2}));
  expect_round_trip(std::queue<std::string>({"a", "b"}));
  std::valarray<double> const numbers{1, 2, 3};
  EXPECT_EQ(round_trip(numbers).sum(), 6);
  std::priority_queue<int> const heap(std::less<int>(), std::vector<int>{2, 9, 4});
  EXPECT_EQ(round_trip(heap).top(), 9);
}

TEST(Archive, RoundTripsNestedContainers) {
  expect_round_trip(std::vector<std::vector<double>>{{1, 2}, {}, {3}});
  expect_round_trip(std::vector<std::string>{"a", "", "ccc"});
  expect_round_trip(std::map<std::string, std::vector<Plain>>{{"k", {plain(1), plain(2)}}});
  expect_round_trip(std::vector<std::optional<std::pair<int, std::list<Derived>>>>{
      {}, {{1, {Derived{plain(1), {true, false, true}}}}}});
}

TEST(Archive, RoundTripsAnUnorderedMapWithManyBuckets) {
  std::unordered_map<int, int> sparse;
  sparse.reserve(100000);
  sparse[1] = 2;
  expect_round_trip(sparse);
}

TEST(Archive, ServesUserTypesThroughBoostsInterface) {
  expect_round_trip(plain(1));
  expect_round_trip(Free{5});
  expect_round_trip(SplitFree{6});
  expect_round_trip(Private(7));
  expect_round_trip(Split(0.3));
  expect_round_trip(Derived{plain(8), {true, false, true}});
  expect_round_trip(Wrapped{{1, 2, 3, 4, 5}, {'a', 'b', 'c', 'd', 'e', 'f'}, 3});
  expect_round_trip(Point{1, 2, 3});
}

TEST(Archive, PassesTheClassVersionWithoutWritingIt) {
  EXPECT_EQ(wire_of_value(Versioned()).size(), sizeof(unsigned));
  EXPECT_EQ(round_trip(Versioned()).seen, 707u);
}

TEST(Archive, GivesAClassThatWritesNothingOneByte) {
  EXPECT_EQ(wire_of_value(Empty()).size(), 1u);
  expect_round_trip(std::vector<Empty>(5));
  expect_round_trip(std::vector<std::monostate>(5));
  expect_round_trip(std::vector<std::tuple<>>(5));
  expect_round_trip(std::vector<std::array<int, 0>>(5));
}

TEST(Archive, EncodesSeveralValuesForOneTuple) {
  Message message;
  encode_all(message, 1, std::string("two"), std::vector<double>{3});
  EXPECT_EQ((decode<std::tuple<int, std::string, std::vector<double>>>(wire_of(message))),
            std::tuple(1, std::string("two"), std::vector<double>{3}));
  message.clear();
  encode_all(message);
  EXPECT_EQ(message.size(), 0u);
  EXPECT_EQ(decode<std::tuple<>>(message.bytes()), std::tuple<>());
}

TEST(Archive, AppendsToWhatTheMessageHolds) {
  Message message;
  encode(message, 1);
  encode(message, 2);
  EXPECT_EQ((decode<std::pair<int, int>>(message.bytes())), std::pair(1, 2));
}

TEST(ArchiveBorrowing, BorrowsABigVectorAtTheTopLevel) {
  std::vector<double> const big(Message::kBorrowAtLeast / sizeof(double), 1.5);
  Message message;
  encode(message, big);
  ASSERT_EQ(message.blocks().size(), 1u);
  EXPECT_EQ(message.bytes().size(), 8u);
  EXPECT_EQ(message.blocks()[0].at, 8u);
  EXPECT_EQ(static_cast<void const*>(message.blocks()[0].bytes.data()), big.data());
  EXPECT_EQ(message.blocks()[0].bytes.size(), Message::kBorrowAtLeast);
  EXPECT_EQ(decode<std::vector<double>>(wire_of(message)), big);
}

TEST(ArchiveBorrowing, CopiesWhatIsSmaller) {
  std::vector<double> const small(Message::kBorrowAtLeast / sizeof(double) - 1);
  Message message;
  encode(message, small);
  EXPECT_FALSE(message.borrows());
}

TEST(ArchiveBorrowing, BorrowsThroughNativeTypesAndSurvivesTheOwnersMove) {
  using Matrix = std::vector<std::vector<double>>;
  using Table = std::map<int, std::vector<int>>;
  using Owner = std::tuple<std::string, std::optional<std::vector<float>>, Matrix,
                           std::unique_ptr<std::string>, std::variant<int, std::string>, Table>;
  Owner owner(std::string(40000, 's'), std::vector<float>(20000, 1),
              Matrix{std::vector<double>(10000, 2), {}, std::vector<double>(10000, 3)},
              std::make_unique<std::string>(40000, 'u'), std::string(40000, 'v'),
              Table{{1, std::vector<int>(10000, 4)}});
  Message message;
  encode(message, owner);
  EXPECT_EQ(message.blocks().size(), 7u);
  Owner const moved = std::move(owner);
  Owner const decoded = decode<Owner>(wire_of(message));
  EXPECT_EQ(std::get<0>(decoded), std::get<0>(moved));
  EXPECT_EQ(std::get<1>(decoded), std::get<1>(moved));
  EXPECT_EQ(std::get<2>(decoded), std::get<2>(moved));
  EXPECT_EQ(*std::get<3>(decoded), *std::get<3>(moved));
  EXPECT_EQ(std::get<4>(decoded), std::get<4>(moved));
  EXPECT_EQ(std::get<5>(decoded), std::get<5>(moved));
}

TEST(ArchiveBorrowing, CopiesInsideAUsersSerializeWhereBlocksMayBeTemporary) {
  Message message;
  encode_all(message, Temporary{42}, std::vector<Temporary>(2));
  EXPECT_FALSE(message.borrows());
  auto const decoded = decode<std::tuple<Temporary, std::vector<Temporary>>>(wire_of(message));
  EXPECT_EQ(std::get<0>(decoded).seed, 42);
}

TEST(ArchiveBorrowing, BorrowsAgainAfterAUsersSerialize) {
  std::vector<double> const big(10000, 1.5);
  Message message;
  encode_all(message, Temporary{1}, big);
  EXPECT_EQ(message.blocks().size(), 1u);
}

TEST(ArchiveBorrowing, CopiesArrays) {
  auto const big = std::make_unique<std::array<double, 10000>>();
  Message message;
  encode(message, *big);
  EXPECT_FALSE(message.borrows());
}

using Rich =
    std::tuple<std::int64_t, std::string, std::vector<double>, Plain, Derived, Wrapped, Split,
               std::map<std::string, std::vector<int>>, std::optional<Plain>,
               std::variant<int, std::string>, std::vector<bool>, std::list<Empty>,
               std::unordered_map<int, std::string>, std::bitset<9>, std::deque<std::u16string>,
               std::stack<int>, std::valarray<double>, std::array<bool, 2>, std::forward_list<int>>;

Rich rich() {
  return {5,
          "text",
          {1, 2, 3},
          plain(1),
          Derived{plain(2), {true, false, true}},
          Wrapped(),
          Split(0.5),
          {{"k", {1, 2}}},
          plain(3),
          "alternative",
          {true, false},
          std::list<Empty>(2),
          {{1, "one"}},
          std::bitset<9>(5),
          {u"wide"},
          std::stack<int>({1, 2}),
          {1.0, 2.0},
          {true, false},
          {1, 2}};
}

TEST(ArchiveHostile, RefusesATruncationAtEveryByte) {
  Bytes const whole = wire_of_value(rich());
  EXPECT_NO_THROW(static_cast<void>(decode<Rich>(whole)));
  for (std::size_t size = 0; size != whole.size(); ++size) {
    Bytes const cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_THROW(static_cast<void>(decode<Rich>(cut)), DecodeError) << size;
  }
}

TEST(ArchiveHostile, RefusesBytesThatAreLeftOver) {
  Bytes bytes = wire_of_value(7);
  bytes.push_back({});
  try {
    static_cast<void>(decode<int>(bytes));
    FAIL();
  } catch (DecodeError const& error) {
    EXPECT_STREQ(error.what(), "expected the end at byte 4, where 1 bytes are left");
  }
}

TEST(ArchiveHostile, SaysWhatWasExpectedAndWhatIsLeft) {
  try {
    static_cast<void>(decode<double>(Bytes(3)));
    FAIL();
  } catch (DecodeError const& error) {
    EXPECT_STREQ(error.what(), "expected 8 bytes at byte 0, where 3 bytes are left");
  }
}

template <class T>
void expect_lying_counts_refused() {
  for (std::uint64_t const count : {std::uint64_t{9}, std::uint64_t{1} << 32,
                                    std::uint64_t{1} << 61, UINT64_MAX / 8 + 2, UINT64_MAX}) {
    Bytes bytes(16);
    std::memcpy(bytes.data(), &count, sizeof count);
    EXPECT_THROW(static_cast<void>(decode<T>(bytes)), DecodeError) << count;
  }
}

TEST(ArchiveHostile, RefusesCountsThatTheBytesDoNotHold) {
  expect_lying_counts_refused<std::string>();
  expect_lying_counts_refused<std::u32string>();
  expect_lying_counts_refused<std::vector<double>>();
  expect_lying_counts_refused<std::vector<bool>>();
  expect_lying_counts_refused<std::vector<std::string>>();
  expect_lying_counts_refused<std::vector<Empty>>();
  expect_lying_counts_refused<std::vector<std::tuple<>>>();
  expect_lying_counts_refused<std::list<Empty>>();
  expect_lying_counts_refused<std::map<int, int>>();
  expect_lying_counts_refused<std::unordered_set<int>>();
  expect_lying_counts_refused<std::stack<int>>();
  expect_lying_counts_refused<std::valarray<double>>();
  expect_lying_counts_refused<Wrapped>();
}

TEST(ArchiveHostile, RefusesBoolsAndIndicesThatAreNoValue) {
  Bytes const two(1, std::byte{2});
  EXPECT_THROW(static_cast<void>(decode<bool>(two)), DecodeError);
  EXPECT_THROW(static_cast<void>(decode<Switch>(two)), DecodeError);
  EXPECT_THROW(static_cast<void>(decode<Empty>(two)), DecodeError);
  EXPECT_THROW(static_cast<void>(decode<std::optional<Empty>>(two)), DecodeError);
  EXPECT_THROW(static_cast<void>(decode<std::unique_ptr<Empty>>(two)), DecodeError);
  EXPECT_THROW((static_cast<void>(decode<std::variant<Empty, std::monostate>>(two))), DecodeError);
}

TEST(ArchiveHostile, TurnsWhatAUsersSerializeThrowsIntoADecodeError) {
  Bytes const odd = wire_of_value(1);
  EXPECT_THROW(static_cast<void>(decode<Even>(odd)), DecodeError);
  EXPECT_THROW(static_cast<void>(decode<std::bitset<4>>(wire_of_value(std::string("10x1")))),
               DecodeError);
}

TEST(ArchiveHostile, RefusesObjectsThatNestTooDeeply) {
  Bytes bytes;
  for (int i = 0; i < 200000; ++i) {
    bytes.insert(bytes.end(), {std::byte{}, std::byte{}, std::byte{}, std::byte{}, std::byte{1}});
  }
  EXPECT_THROW(static_cast<void>(decode<Chain>(bytes)), DecodeError);

  Chain chain;
  for (unsigned i = 1; i != archive::kMaxNesting; ++i) {
    chain = Chain{0, std::make_unique<Chain>(std::move(chain))};
  }
  Message message;
  encode(message, chain);
  EXPECT_NO_THROW(static_cast<void>(decode<Chain>(message.bytes())));
  chain = Chain{0, std::make_unique<Chain>(std::move(chain))};
  EXPECT_THROW(encode(message, chain), std::length_error);
}

/// Decodes mutations of a valid message and random bytes.
template <class T>
void fuzz(T const& value, std::uint32_t seed, int rounds) {
  std::mt19937 random(seed);
  Bytes const valid = wire_of_value(value);
  int decoded = 0;
  for (int round = 0; round < rounds; ++round) {
    Bytes bytes = valid;
    if (round % 4 == 0) {
      bytes.resize(random() % 256);
      for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() % 8 == 0 ? random() : 0);
    } else {
      for (std::uint32_t change = 0; change <= random() % 3 && !bytes.empty(); ++change) {
        bytes[random() % bytes.size()] = static_cast<std::byte>(random());
      }
    }
    try {
      T const result = decode<T>(bytes);
      ++decoded;
    } catch (DecodeError const&) {  // the one that is allowed
    }
  }
  EXPECT_LT(decoded, rounds);
}

TEST(ArchiveHostile, SurvivesRandomBytes) {
  fuzz(rich(), 1, 30000);
  fuzz(plain(1), 2, 20000);
  fuzz(std::vector<std::vector<std::string>>{{"a", "b"}, {"c"}}, 3, 20000);
  fuzz(Chain{1, std::make_unique<Chain>()}, 4, 10000);
  fuzz(std::map<std::string, std::variant<int, Plain, std::vector<Empty>>>{{"k", plain(1)}}, 5,
       10000);
  fuzz(std::pair<std::optional<Derived>, Wrapped>(Derived{}, {}), 6, 10000);
}

}  // namespace
}  // namespace cohort
