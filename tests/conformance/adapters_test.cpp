// Functions that look different to their caller, beyond plain calls (parity A10).
#include <stdexcept>
#include <tuple>

#include "tests/conformance/conformance.h"

namespace conformance {
namespace {

using cohort::adapt;

std::int64_t length(std::string const& text) { return static_cast<std::int64_t>(text.size()); }

class Adapters : public Conformance {};
COHORT_EACH_PLACE(Adapters);

TEST_P(Adapters, ConvertTheArgumentsOfAOneWayCall) {
  auto const worker = start();
  worker.post(adapt(fn<&Everything::note>, &length), std::string("four"));
  EXPECT_EQ(worker.call(fn<&Everything::received>).get(), 4);
}

TEST_P(Adapters, ConvertTheArgumentsOfACallThatReturnsNothing) {
  auto const worker = start();
  worker.call(adapt(fn<&Everything::note>, &length), std::string("four")).get();
  EXPECT_EQ(worker.call(fn<&Everything::received>).get(), 4);
}

TEST_P(Adapters, ConvertTheArgumentsOfAStream) {
  auto const worker = start();
  auto stream = worker.stream(adapt(fn<&Everything::count>, &length), std::string("abc"));
  EXPECT_EQ(all_of(stream), (std::vector<std::int64_t>{0, 1, 2}));
  auto open = worker.open(adapt(fn<&Everything::count_and_return>, &length), std::string("ab"));
  EXPECT_EQ(all_of(open.output), (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(open.result.get(), 7);
}

TEST_P(Adapters, ConvertTheArgumentsOfAState) {
  auto const worker = start();
  auto const nothing = [](std::string const&) { return std::tuple<>(); };
  auto [now, updates] = worker.state(adapt(fn<&Everything::watch>, nothing), std::string("who"));
  EXPECT_TRUE(now.empty());
  worker.call(fn<&Everything::write_to_kept>, "news").get();
  EXPECT_EQ(updates.next(), "news");
}

TEST_P(Adapters, ThrowWhatTheConversionOfTheArgumentsThrowsAndSendNothing) {
  auto const worker = start();
  std::string const text = "four";
  auto const refuse = [](std::string const&) -> std::int64_t {
    throw std::out_of_range("no such text");
  };
  auto const refuse_all = [](std::string const&) -> std::tuple<> { throw std::out_of_range(""); };
  EXPECT_THROW(worker.call(adapt(fn<&Everything::note>, refuse), text).get(), std::out_of_range);
  EXPECT_THROW(worker.post(adapt(fn<&Everything::note>, refuse), text), std::out_of_range);
  EXPECT_THROW(worker.open(adapt(fn<&Everything::count>, refuse), text), std::out_of_range);
  EXPECT_THROW(worker.stream(adapt(fn<&Everything::count>, refuse), text), std::out_of_range);
  EXPECT_THROW(worker.state(adapt(fn<&Everything::watch>, refuse_all), text), std::out_of_range);
  EXPECT_EQ(worker.call(fn<&Everything::received>).get(), 0);
  EXPECT_EQ(error_of([&] { worker.call(fn<&Everything::write_to_kept>, "to none").get(); }).kind(),
            ErrorKind::kFailed)
      << "nobody watches";
}

TEST_P(Adapters, ThrowWhatTheConversionOfTheResultThrows) {
  auto const worker = start();
  auto const add = adapt(
      fn<&Everything::add>, [](int a) { return std::tuple(a, a); },
      [](int sum) -> int { throw std::domain_error("not " + std::to_string(sum)); });
  auto future = worker.call(add, 21);
  try {
    static_cast<void>(future.get());
    ADD_FAILURE() << "nothing was thrown";
  } catch (std::domain_error const& error) {
    EXPECT_STREQ(error.what(), "not 42");
  }
  EXPECT_EQ(worker.call(fn<&Everything::add>, 1, 2).get(), 3);
}

TEST_P(Adapters, PassOnWhatTheFunctionThrows) {
  auto const worker = start();
  int converted = 0;
  auto const fail = adapt(
      fn<&Everything::fail>, [](int code) { return "code " + std::to_string(code); },
      [&] { return ++converted; });
  auto const error = error_of([&] { static_cast<void>(worker.call(fail, 7).get()); });
  EXPECT_EQ(error.kind(), ErrorKind::kFailed);
  EXPECT_EQ(error.exception_type(), "std::invalid_argument");
  EXPECT_EQ(error.reason(), "code 7");
  EXPECT_EQ(converted, 0);
}

}  // namespace
}  // namespace conformance
