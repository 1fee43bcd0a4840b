#include "core/error.h"

#include <cerrno>
#include <csignal>
#include <stdexcept>
#include <string>
#include <system_error>

#include <gtest/gtest.h>

namespace cohort {
namespace {

TEST(Error, SaysPlaceFunctionKindTypeAndReasonInOneLine) {
  Error const error(
      ErrorKind::kFailed, "no such row",
      {.worker = WorkerId{2, 1}, .host = "node7", .pid = 99, .function = "int T::f(int)"},
      "std::out_of_range");
  EXPECT_STREQ(error.what(),
               "worker 2.1 (node7, pid 99): int T::f(int): failed: std::out_of_range: no such row");
  EXPECT_EQ(error.reason(), "no such row");
  EXPECT_EQ(error.exception_type(), "std::out_of_range");
  EXPECT_EQ(error.where().worker, (WorkerId{2, 1}));
}

TEST(Error, LeavesOutWhatIsNotKnown) {
  EXPECT_STREQ(Error(ErrorKind::kTimedOut, "nobody came").what(), "timed out: nobody came");
  EXPECT_STREQ(Error(ErrorKind::kCancelled, "").what(), "cancelled");
  EXPECT_STREQ(Error(ErrorKind::kRefused, "no", {.worker = WorkerId{4}}).what(),
               "worker 4: refused: no");
  EXPECT_STREQ(Error(ErrorKind::kRefused, "no", {.worker = WorkerId{4}, .pid = 5}).what(),
               "worker 4 (pid 5): refused: no");
  EXPECT_STREQ(Error(ErrorKind::kProtocol, "no", {.host = "login1"}).what(),
               "master (login1): protocol error: no");
}

TEST(Error, EndsWithTheLastLinesOfTheWorkersStderr) {
  ExitReport report;
  report.signal = SIGSEGV;
  report.stderr_tail = "one\ntwo";
  Error const error(ErrorKind::kDisconnected, report.to_string(), {.worker = WorkerId{1}}, {},
                    report);
  EXPECT_STREQ(error.what(),
               "worker 1: disconnected: killed by signal 11 (SIGSEGV)\n"
               "last lines of its stderr:\none\ntwo");
  ASSERT_TRUE(error.exit().has_value());
  EXPECT_EQ(error.exit()->signal, SIGSEGV);
}

TEST(ErrorKind, HasANameForEach) {
  EXPECT_EQ(to_string(ErrorKind::kFailed), "failed");
  EXPECT_EQ(to_string(ErrorKind::kDisconnected), "disconnected");
  EXPECT_EQ(to_string(ErrorKind::kCancelled), "cancelled");
  EXPECT_EQ(to_string(ErrorKind::kTimedOut), "timed out");
  EXPECT_EQ(to_string(ErrorKind::kRefused), "refused");
  EXPECT_EQ(to_string(ErrorKind::kProtocol), "protocol error");
}

TEST(ExitReport, NamesCodeSignalAndCore) {
  EXPECT_EQ(ExitReport{}.to_string(), "");
  EXPECT_EQ((ExitReport{.exit_code = 3, .signal = {}, .stderr_tail = {}}.to_string()),
            "exited with code 3");
  EXPECT_EQ((ExitReport{.exit_code = {}, .signal = SIGKILL, .stderr_tail = {}}.to_string()),
            "killed by signal 9 (SIGKILL)");
  EXPECT_EQ((ExitReport{.exit_code = {}, .signal = SIGABRT, .core_dumped = true, .stderr_tail = {}}
                 .to_string()),
            "killed by signal 6 (SIGABRT), core dumped");
}

TEST(Check, PassesGoodResultsAndNamesTheCallThatFailed) {
  EXPECT_EQ(check(5, "open"), 5);
  errno = ENOENT;
  try {
    check(-1, "open");
    FAIL() << "nothing was thrown";
  } catch (std::system_error const& error) {
    EXPECT_EQ(error.code().value(), ENOENT);
    EXPECT_EQ(std::string(error.what()), "open: No such file or directory");
  }
}

template <class Thrown>
ExceptionText described(Thrown const& thrown) {
  try {
    throw thrown;
  } catch (...) {
    return describe_current_exception();
  }
}

struct Odd {};

TEST(DescribeCurrentException, GivesTheDynamicTypeAndTheText) {
  EXPECT_EQ(described(std::invalid_argument("bad")).type, "std::invalid_argument");
  EXPECT_EQ(described(std::invalid_argument("bad")).what, "bad");
  EXPECT_EQ(described(std::string("text")).what, "text");
  EXPECT_EQ(described(static_cast<char const*>("text")).what, "text");
  EXPECT_EQ(described(3).type, "int");
  EXPECT_EQ(described(3).what, "");
  EXPECT_NE(described(Odd{}).type.find("Odd"), std::string::npos);
}

struct NullText : std::exception {
  char const* what() const noexcept override { return nullptr; }
};

TEST(DescribeCurrentException, GivesTheTypeAloneWhereTheTextIsANullPointer) {
  EXPECT_NE(described(NullText{}).type.find("NullText"), std::string::npos);
  EXPECT_EQ(described(NullText{}).what, "");
  EXPECT_EQ(described(nullptr).type, "decltype(nullptr)");
  EXPECT_EQ(described(nullptr).what, "");
  EXPECT_EQ(described(static_cast<char const*>(nullptr)).type, "char const*");
}

TEST(DescribeCurrentException, GivesNothingWhereNoneIsHandled) {
  EXPECT_EQ(describe_current_exception().type, "");
}

}  // namespace
}  // namespace cohort
