#include "core/settings.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

namespace cohort {
namespace {

using namespace std::chrono_literals;

/// Sets one variable for the time of a test.
class Variable {
 public:
  Variable(char const* name, char const* value) : name_(name) { ::setenv(name, value, 1); }
  ~Variable() { ::unsetenv(name_); }

 private:
  char const* name_;
};

std::string refusal() {
  try {
    static_cast<void>(Settings::from_environment());
  } catch (std::invalid_argument const& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(Settings, KeepTheirDefaultsWhereTheEnvironmentSaysNothing) {
  EXPECT_EQ(Settings::from_environment(), Settings{});
}

TEST(Settings, KeepWhatTheProgramSaysWhereTheEnvironmentSaysNothing) {
  Settings base;
  base.heartbeat_interval = 123ms;
  EXPECT_EQ(Settings::from_environment(base), base);
}

TEST(Settings, RefuseWhatTheProgramSaysOutOfRange) {
  auto const refusal_of = [](auto const& spoil) {
    Settings base;
    spoil(base);
    try {
      static_cast<void>(Settings::from_environment(base));
    } catch (std::invalid_argument const& error) {
      return std::string(error.what());
    }
    return std::string("nothing was thrown");
  };
  EXPECT_EQ(refusal_of([](Settings& base) { base.stream_window = 0; }),
            "Settings::stream_window = 0: expected a whole number from 1 to 1099511627776");
  EXPECT_EQ(refusal_of([](Settings& base) { base.heartbeat_timeout = -1ms; }),
            "Settings::heartbeat_timeout = -1: expected a whole number from 1 to 86400000");
  EXPECT_EQ(refusal_of([](Settings& base) { base.spin = -1us; }),
            "Settings::spin = -1: expected a whole number from 0 to 1000000");
}

TEST(Settings, TakeEachFieldFromItsVariable) {
  Variable const a("COHORT_MAX_MESSAGE_SIZE", "4096");
  Variable const b("COHORT_HEARTBEAT_INTERVAL", "11");
  Variable const c("COHORT_HEARTBEAT_TIMEOUT", "55");
  Variable const d("COHORT_HANDSHAKE_TIMEOUT", "33");
  Variable const e("COHORT_SHUTDOWN_TIMEOUT", "44");
  Variable const f("COHORT_SPIN", "0");
  Variable const g("COHORT_EXPLAIN_AFTER", "0");
  Settings base;
  base.max_message_size = 1;
  auto const settings = Settings::from_environment(base);
  EXPECT_EQ(settings.max_message_size, 4096u);
  EXPECT_EQ(settings.heartbeat_interval, 11ms);
  EXPECT_EQ(settings.heartbeat_timeout, 55ms);
  EXPECT_EQ(settings.handshake_timeout, 33ms);
  EXPECT_EQ(settings.shutdown_timeout, 44ms);
  EXPECT_EQ(settings.spin, 0us);
  EXPECT_EQ(settings.explain_after, 0ms);
}

TEST(Settings, KeepTheHeartbeatWellBelowItsTimeout) {
  Variable const timeout("COHORT_HEARTBEAT_TIMEOUT", "3000");
  EXPECT_EQ(Settings::from_environment().heartbeat_interval, 1000ms);
}

struct BadValue {
  char const* variable;
  char const* text;
};

class BadSettings : public ::testing::TestWithParam<BadValue> {};

TEST_P(BadSettings, AreRefusedWithTheVariableAndItsValue) {
  auto const [variable, text] = GetParam();
  Variable const set(variable, text);
  auto const message = refusal();
  EXPECT_NE(message.find(variable), message.npos) << message;
  EXPECT_NE(message.find('"' + std::string(text) + '"'), message.npos) << message;
  EXPECT_NE(message.find("whole number from"), message.npos) << message;
}

INSTANTIATE_TEST_SUITE_P(
    Each, BadSettings,
    ::testing::Values(
        BadValue{"COHORT_MAX_MESSAGE_SIZE", "1023"},
        BadValue{"COHORT_MAX_MESSAGE_SIZE", "9223372036854775808"},
        BadValue{"COHORT_HEARTBEAT_INTERVAL", "0"}, BadValue{"COHORT_HEARTBEAT_INTERVAL", "-5"},
        BadValue{"COHORT_HEARTBEAT_TIMEOUT", "5s"}, BadValue{"COHORT_HANDSHAKE_TIMEOUT", ""},
        BadValue{"COHORT_SHUTDOWN_TIMEOUT", "1.5"}, BadValue{"COHORT_EXPLAIN_AFTER", "-1"},
        BadValue{"COHORT_SPIN", "1000001"}, BadValue{"COHORT_SPIN", "99999999999999999999999"}));

}  // namespace
}  // namespace cohort
