#include "core/function.h"

#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

namespace cohort_function_test {

struct Base {
  int inherited(int) { return 0; }
};

struct Sample : Base {
  double sum(std::vector<double> const&) { return 0; }
  void nothing() {}
  int over(int) { return 0; }
  int over(double) const { return 0; }
  int quiet(int) noexcept { return 0; }
  std::string stopped(int, std::stop_token) { return {}; }
  int& gives_a_reference(std::unique_ptr<int>, int&) { return value; }
  int unlisted() { return 0; }
  int value = 0;

  using Functions = cohort::FunctionList<&Sample::sum, &Sample::nothing,
                                         static_cast<int (Sample::*)(int)>(&Sample::over),
                                         static_cast<int (Sample::*)(double) const>(&Sample::over),
                                         &Sample::quiet, &Sample::stopped, &Sample::inherited>;
};

}  // namespace cohort_function_test

namespace cohort {
namespace {

using cohort_function_test::Base;
using cohort_function_test::Sample;
template <auto Member>
constexpr auto kId = static_cast<std::uint32_t>(CheckedFunction<Sample, Member>::id);

TEST(FunctionList, CountsIdsInItsOrder) {
  EXPECT_EQ(Sample::Functions::size, 7u);
  EXPECT_EQ(kId<&Sample::sum>, 0u);
  EXPECT_EQ(kId<&Sample::nothing>, 1u);
  EXPECT_EQ((kId<static_cast<int (Sample::*)(int)>(&Sample::over)>), 2u);
  EXPECT_EQ((kId<static_cast<int (Sample::*)(double) const>(&Sample::over)>), 3u);
  EXPECT_EQ(kId<&Sample::quiet>, 4u);
  EXPECT_EQ(kId<&Sample::stopped>, 5u);
  EXPECT_EQ(kId<&Base::inherited>, 6u);
}

TEST(FunctionList, SaysWhichFunctionsItDoesNotHold) {
  EXPECT_EQ((detail::IndexIn<&Sample::unlisted, Sample::Functions>::value), detail::kNotListed);
}

TEST(FunctionTraits, GiveValuesForWhatAFunctionTakesAndReturns) {
  EXPECT_TRUE((std::is_same_v<ArgumentsOf<&Sample::sum>, std::tuple<std::vector<double>>>));
  EXPECT_TRUE((std::is_same_v<ResultOf<&Sample::sum>, double>));
  EXPECT_TRUE((std::is_same_v<ResultOf<&Sample::gives_a_reference>, int>));
  EXPECT_TRUE((std::is_same_v<ArgumentsOf<&Sample::nothing>, std::tuple<>>));
  EXPECT_TRUE((std::is_same_v<ClassOf<&Sample::quiet>, Sample>));
}

TEST(FunctionTraits, LeaveALastStopTokenOutOfTheArguments) {
  using Traits = detail::FunctionTraits<decltype(&Sample::stopped)>;
  EXPECT_TRUE(Traits::takes_stop_token);
  EXPECT_TRUE((std::is_same_v<Traits::Arguments, std::tuple<int>>));
  EXPECT_FALSE(detail::FunctionTraits<decltype(&Sample::sum)>::takes_stop_token);
}

TEST(FunctionTraits, TellWhichFunctionsWriteToTheirArguments) {
  EXPECT_TRUE(
      detail::FunctionTraits<decltype(&Sample::gives_a_reference)>::writes_to_its_arguments);
  EXPECT_FALSE(detail::FunctionTraits<decltype(&Sample::sum)>::writes_to_its_arguments);
}

TEST(ReadableSignature, ReadsLikeADeclaration) {
  auto const sum = readable_signature(signature_of<&Sample::sum>());
  EXPECT_EQ(sum, "double cohort_function_test::Sample::sum(const std::vector<double>&)");
  EXPECT_EQ(readable_signature(signature_of<&Sample::nothing>()),
            "void cohort_function_test::Sample::nothing()");
}

TEST(ReadableSignature, KeepsOverloadsApart) {
  EXPECT_NE((signature_of<static_cast<int (Sample::*)(int)>(&Sample::over)>()),
            (signature_of<static_cast<int (Sample::*)(double) const>(&Sample::over)>()));
}

TEST(ReadableSignature, LeavesOtherTextAsItIs) {
  EXPECT_EQ(readable_signature("constructor"), "constructor");
  EXPECT_EQ(readable_signature(""), "");
  EXPECT_EQ(readable_signature("&x; Pointer = int"), "&x; Pointer = int");
  EXPECT_EQ(readable_signature(" Pointer = "), " Pointer = ");
}

}  // namespace
}  // namespace cohort
