// Functions that look different to their caller, beyond plain calls (parity A10).
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

}  // namespace
}  // namespace conformance
