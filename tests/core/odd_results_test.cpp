// What a user's types and functions may throw, or do instead of returning: each a told failure of
// that call alone.
#include <exception>
#include <new>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include <gtest/gtest.h>
#include <pthread.h>

#include "tests/support/peers.h"

namespace cohort {
namespace {

using test::error_of;
using test::Peers;
using test::Transport;

struct NullText : std::exception {
  char const* what() const noexcept override { return nullptr; }
};

/// Its loading throws what the number says.
struct Moody {
  int mood = 0;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& mood;
    if constexpr (Archive::is_loading::value) {
      if (mood == 1) throw 7;  // NOLINT: that is the point
      if (mood == 2) throw NullText();
      if (mood == 3) throw std::bad_alloc();
      if (mood == 4) throw nullptr;  // NOLINT
    }
  }
};

class Odd {
 public:
  Moody give(int mood) { return {mood}; }
  int take(Moody moody) { return moody.mood; }
  void write(int mood, Writer<Moody>& out) { out.write({mood}); }
  int read(Stream<Moody>& in) { return in.next()->mood; }
  int fail(int how) {
    if (how == 0) throw NullText();
    if (how == 1) throw nullptr;  // NOLINT
    if (how == 2) throw static_cast<char const*>(nullptr);
    ::pthread_exit(nullptr);
  }
  int add(int a, int b) { return a + b; }
  std::tuple<int, std::tuple<>> of_nothing(std::tuple<> nothing, int a, std::tuple<> last) {
    return {a, std::tuple_cat(nothing, last)};
  }
  using Functions = FunctionList<&Odd::give, &Odd::take, &Odd::write, &Odd::read, &Odd::fail,
                                 &Odd::add, &Odd::of_nothing>;
};

class OddResults : public ::testing::TestWithParam<Transport> {
 protected:
  void expect_it_lives_on() { EXPECT_EQ(peers.call(fn<&Odd::add>, 1, 2).get(), 3); }
  Peers<Odd> peers{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Each, OddResults,
                         ::testing::Values(Transport::kInproc, Transport::kUnix, Transport::kTcp),
                         ::testing::PrintToStringParamName());

TEST_P(OddResults, AreTheCallsFailureWhateverTheirLoadingThrows) {
  for (int const mood : {1, 2, 4}) {
    auto const error = error_of([&] { peers.call(fn<&Odd::give>, mood).get(); });
    EXPECT_EQ(error.kind(), ErrorKind::kProtocol) << mood;
    EXPECT_NE(error.where().function.find("give"), std::string::npos) << error.what();
  }
  EXPECT_NE(error_of([&] { peers.call(fn<&Odd::give>, 1).get(); }).reason().find("threw int"),
            std::string::npos);
  expect_it_lives_on();
}

TEST_P(OddResults, AreRefusedWhereThereIsNoMemoryForThem) {
  auto const error = error_of([&] { peers.call(fn<&Odd::give>, 3).get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kRefused);
  EXPECT_NE(error.reason().find("no memory for the result"), std::string::npos) << error.what();
  expect_it_lives_on();
}

TEST_P(OddResults, OfArgumentsAreRefusals) {
  for (int const mood : {1, 2, 4}) {
    auto const error = error_of([&] { peers.call(fn<&Odd::take>, Moody{mood}).get(); });
    EXPECT_EQ(error.kind(), ErrorKind::kRefused) << mood;
  }
  expect_it_lives_on();
}

TEST_P(OddResults, OfAStreamsElementsEndTheStreamWithAnError) {
  for (int const mood : {1, 2, 3, 4}) {
    auto open = peers.open(fn<&Odd::write>, mood);
    auto const error = error_of([&] { static_cast<void>(open.output.next()); });
    EXPECT_EQ(error.kind(), mood == 3 ? ErrorKind::kRefused : ErrorKind::kProtocol) << mood;
    auto reads = peers.open(fn<&Odd::read>);
    reads.input.write({mood});
    EXPECT_EQ(error_of([&] { reads.result.get(); }).kind(), ErrorKind::kFailed);
  }
  expect_it_lives_on();
}

TEST_P(OddResults, WithoutATextAreToldByTheirType) {
  auto const error = error_of([&] { peers.call(fn<&Odd::fail>, 0).get(); });
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_NE(error.exception_type().find("NullText"), std::string::npos) << error.what();
  for (int const how : {1, 2}) {
    EXPECT_EQ(error_of([&] { peers.call(fn<&Odd::fail>, how).get(); }).kind(), ErrorKind::kFailed);
  }
  expect_it_lives_on();
}

TEST_P(OddResults, OfAFunctionThatEndsItsThreadAreToldAndTheWorkerLivesOn) {
  for (int round = 0; round < 3; ++round) {
    auto ends = peers.call(fn<&Odd::fail>, 3);
    std::vector<Future<int>> behind;
    for (int i = 0; i < 10; ++i) behind.push_back(peers.call(fn<&Odd::add>, i, 1));
    auto const error = error_of([&] { ends.get(); });
    EXPECT_EQ(error.kind(), ErrorKind::kFailed);
    EXPECT_NE(error.reason().find("pthread_exit"), std::string::npos) << error.what();
    for (int i = 0; i < 10; ++i) EXPECT_EQ(behind[static_cast<std::size_t>(i)].get(), i + 1);
  }
}

TEST_P(OddResults, OfEmptyTuplesAreGivenAndTaken) {
  EXPECT_EQ(std::get<0>(peers.call(fn<&Odd::of_nothing>, std::tuple<>(), 5, std::tuple<>()).get()),
            5);
}

}  // namespace
}  // namespace cohort
