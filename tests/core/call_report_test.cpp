#include "core/call_report.h"

#include <gtest/gtest.h>

#include "core/archive.h"
#include "core/message.h"

namespace cohort {
namespace {

using Stage = CallReport::Stage;
using Waits = RunningCall::Waits;
using namespace std::chrono_literals;

std::string words(CallReport const& report, ReaderIs reader = ReaderIs::kElsewhere) {
  return in_words(report, reader);
}

TEST(CallReport, SaysThatTheCallRunsAndForHowLong) {
  CallReport const report{.stage = Stage::kRuns,
                          .running = {{.function = "int W::f()", .runs_ms = 12'345}}};
  EXPECT_EQ(words(report), "runs for 12 s");
}

TEST(CallReport, SaysWhatTheCallWaitsBehindAndWhoseThatIs) {
  CallReport report{.stage = Stage::kQueued, .ahead = 2};
  report.running = {{.function = "int W::f()", .runs_ms = 1500, .caller = "pid 7 on here"},
                    {.function = "int W::g()",
                     .runs_ms = 900,
                     .is_yours = true,
                     .waits = Waits::kForReader,
                     .waits_ms = 800}};
  EXPECT_EQ(words(report, ReaderIs::kAbsent),
            "waits its turn at the worker, after 2 other calls in the queue, behind int W::f() (a "
            "call of pid 7 on here), which runs for 1.5 s; and behind int W::g() (a call of this "
            "process), which runs for 0.9 s, and waits for 0.8 s until this process reads its "
            "stream, of which nobody has read anything");
}

TEST(CallReport, FollowsTheChainOfWaits) {
  CallReport report{.stage = Stage::kRuns};
  report.running = {{.function = "int A::f()", .waits = Waits::kForCalls}};
  report.running[0].chain = {{.worker = {2}, .host = "here", .pid = 7, .function = "int B::g()"},
                             {.worker = {1, 3}, .name = "c", .function = "int C::h()"}};
  EXPECT_EQ(words(report),
            "runs for 0.0 s, and waits for 0.0 s for int B::g() of worker 2 (here, pid 7), which "
            "waits for int C::h() of worker 1.3 \"c\"");
}

TEST(CallReport, ArrivesAsItWasSent) {
  CallReport report{.stage = Stage::kQueued, .ahead = 3, .one_at_a_time = false};
  report.running = {{.function = "int W::f()", .runs_ms = 1, .call = CallId{5}}};
  report.running[0].chain = {{.worker = {2}, .call = CallId{6}, .age_ms = 4}};
  Message message;
  encode(message, report);
  auto const copy = decode<CallReport>(std::span(message.bytes().data(), message.bytes().size()));
  EXPECT_EQ(copy.stage, report.stage);
  EXPECT_EQ(copy.running.at(0).chain.at(0).call, CallId{6});
  EXPECT_EQ(words(copy), words(report));
}

TEST(Signatures, LoseTheirParametersWhereTheyAreLong) {
  EXPECT_EQ(short_signature("int W::f(int)"), "int W::f(int)");
  std::string const many(80, 'x');
  EXPECT_EQ(short_signature("int W<a(b)>::f(" + many + ")"), "int W<a(b)>::f(...)");
  EXPECT_EQ(short_signature("int (anonymous namespace)::W::f(" + many + ")"),
            "int (anonymous namespace)::W::f(...)");
}

TEST(Times, AreReadable) {
  EXPECT_EQ(readable_time(0ms), "0.0 s");
  EXPECT_EQ(readable_time(9'999ms), "9.9 s");
  EXPECT_EQ(readable_time(10s), "10 s");
  EXPECT_EQ(readable_time(10min), "10 min");
}

}  // namespace
}  // namespace cohort
