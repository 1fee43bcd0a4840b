// Frames that no peer of ours sends: they cost the connection that they came over, and no more. And
// streams of elements that are nothing.
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <variant>
#include <vector>

#include "tests/core/fountain.h"

namespace cohort {
namespace {

using End = ConnectionHandler::End;
using test::encoded;
using test::frame_bytes;

/// A worker whose caller is played by the test, byte by byte.
struct Attacked {
  explicit Attacked(Transport transport) : Attacked(test::make_channels(transport)) {}
  explicit Attacked(test::ChannelPair channels) : worker(engine), peer(std::move(channels.second)) {
    worker.dispatcher.serve(&object, test::FunctionsOf<Fountain, Fountain::Functions>::value);
    worker.dispatcher.on_background_failure([this](RemoteFailure const&) { ++deaths; });
    worker.dispatcher.on_bad_post([](Client& client, RemoteFailure const& what) {
      client.connection->hang_up("it posted " + what.text);
    });
    worker.connection = std::make_shared<Connection>(engine, std::move(channels.first),
                                                     test::test_settings(), Provenance{}, worker);
    worker.connection->start();
    thread = std::thread([this] { worker.dispatcher.run(); });
  }
  ~Attacked() {
    worker.dispatcher.stop();
    thread.join();
    worker.connection->close(ErrorKind::kDisconnected, "over");
  }
  [[nodiscard]] bool send(FrameHeader header, std::vector<std::byte> const& body = {}) {
    return peer.send(frame_bytes(header, body));
  }

  Engine engine;
  Fountain object;
  test::WorkerSide worker;
  test::RawPeer peer;
  std::atomic<int> deaths{0};
  std::thread thread;
};

class BadFrames : public ::testing::TestWithParam<Transport> {
 protected:
  template <auto Member>
  static FrameHeader call_of(std::uint8_t flags, std::uint64_t id = 1) {
    return {.kind = FrameKind::kCall,
            .flags = flags,
            .function = CheckedFunction<Fountain, Member>::id,
            .call = CallId{id}};
  }
  void expect_hung_up(std::string const& why) {
    ASSERT_TRUE(attacked.worker.ended.wait());
    EXPECT_EQ(attacked.worker.end, End::kProtocol);
    EXPECT_NE(attacked.worker.end_text.find(why), std::string::npos) << attacked.worker.end_text;
    EXPECT_EQ(attacked.deaths.load(), 0);
  }
  Attacked attacked{GetParam()};
};
COHORT_OVER_EACH_TRANSPORT(BadFrames);

TEST_P(BadFrames, OfAPostThatDoesNotFitItsFunctionCostTheConnectionAlone) {
  ASSERT_TRUE(attacked.send(call_of<&Fountain::note>(frame_flags::kOneWay), encoded(false)));
  expect_hung_up("it posted expected 4 bytes");
}

TEST_P(BadFrames, OfAPostOfNoFunctionCostTheConnectionAlone) {
  auto call = call_of<&Fountain::note>(frame_flags::kOneWay);
  call.function = FunctionId{9999};
  ASSERT_TRUE(attacked.send(call));
  expect_hung_up("the worker has no function 9999");
}

TEST_P(BadFrames, OfAPostThatWantsStreamsAreNone) {
  for (std::uint8_t const flags : {5, 6, 7}) {
    Attacked again(GetParam());
    ASSERT_TRUE(again.send(call_of<&Fountain::count>(flags), encoded(1)));
    ASSERT_TRUE(again.worker.ended.wait());
    EXPECT_EQ(again.worker.end, End::kProtocol);
  }
}

TEST_P(BadFrames, WithABodyThatTheirKindHasNotCostTheConnection) {
  for (auto const kind :
       {FrameKind::kCancel, FrameKind::kHeartbeat, FrameKind::kShutdown, FrameKind::kGoodbye,
        FrameKind::kStop, FrameKind::kCredit, FrameKind::kAsleep, FrameKind::kBell}) {
    Attacked again(GetParam());
    ASSERT_TRUE(again.send({.kind = kind}, encoded(std::uint16_t{7})));
    ASSERT_TRUE(again.worker.ended.wait());
    EXPECT_EQ(again.worker.end, End::kProtocol) << static_cast<int>(kind);
  }
}

TEST_P(BadFrames, BeyondTheWindowOfAStreamCostTheConnection) {
  // Its function keeps the stream and reads nothing of it.
  ASSERT_TRUE(attacked.send(call_of<&Fountain::answer_before_reading>(frame_flags::kTakesItems)));
  std::vector<std::byte> const elements(64 << 10);
  FrameHeader const items{
      .kind = FrameKind::kItems, .flags = frame_flags::kOfSender, .call = CallId{1}};
  auto const window = test::test_settings().stream_window;
  for (std::uint64_t sent = 0; sent < 3 * window; sent += elements.size()) {
    if (!attacked.send(items, elements)) break;
  }
  expect_hung_up("it sent more of a stream than its reader allows");
}

TEST_P(BadFrames, BehindTheEndOfAStreamCostTheConnection) {
  for (auto const kind : {FrameKind::kItems, FrameKind::kEnd}) {
    Attacked again(GetParam());
    ASSERT_TRUE(again.send(call_of<&Fountain::answer_before_reading>(frame_flags::kTakesItems)));
    ASSERT_TRUE(
        again.send({.kind = FrameKind::kEnd, .flags = frame_flags::kOfSender, .call = CallId{1}}));
    ASSERT_TRUE(again.send({.kind = kind, .flags = frame_flags::kOfSender, .call = CallId{1}}));
    ASSERT_TRUE(again.worker.ended.wait());
    EXPECT_EQ(again.worker.end, End::kProtocol) << static_cast<int>(kind);
  }
}

TEST_P(BadFrames, OfStreamsThatThereAreNotAreDropped) {
  for (std::uint8_t const flags : {0, 1}) {
    ASSERT_TRUE(attacked.send({.kind = FrameKind::kItems, .flags = flags, .call = CallId{77}},
                              std::vector<std::byte>(100)));
    ASSERT_TRUE(attacked.send({.kind = FrameKind::kEnd, .flags = flags, .call = CallId{77}}));
    ASSERT_TRUE(attacked.send({.kind = FrameKind::kStop, .flags = flags, .call = CallId{77}}));
    ASSERT_TRUE(attacked.send({.kind = FrameKind::kCredit, .flags = flags, .call = CallId{77}},
                              encoded(~std::uint64_t{0})));
  }
  ASSERT_TRUE(attacked.send(call_of<&Fountain::note>(0), encoded(1)));
  FrameHeader answer;
  auto const bytes = attacked.peer.receive(sizeof answer);
  ASSERT_EQ(bytes.size(), sizeof answer);
  std::memcpy(&answer, bytes.data(), sizeof answer);
  EXPECT_EQ(answer.kind, FrameKind::kReply);
}

/// The same from the worker's side: the caller hangs up on it.
TEST_P(BadFrames, BeyondTheWindowOfAStreamThatTheCallerReadsEndTheConnection) {
  auto channels = test::make_channels(GetParam());
  test::RawPeer worker(std::move(channels.second));
  Engine engine;
  test::CallerSide caller;
  caller.connection = std::make_shared<Connection>(engine, std::move(channels.first),
                                                   test::test_settings(), Provenance{}, caller);
  caller.connection->start();
  auto open = detail::open_call<&Fountain::count>(
      caller.connection, CheckedFunction<Fountain, &Fountain::count>::id, 5);
  FrameHeader call;
  auto const bytes = worker.receive(sizeof call + 4);
  std::memcpy(&call, bytes.data(), sizeof call);
  std::vector<std::byte> const elements(64 << 10);
  auto const window = test::test_settings().stream_window;
  for (std::uint64_t sent = 0; sent < 3 * window; sent += elements.size()) {
    if (!worker.send(frame_bytes({.kind = FrameKind::kItems, .call = call.call}, elements))) break;
  }
  ASSERT_TRUE(caller.ended.wait());
  EXPECT_EQ(caller.end, End::kProtocol);
  EXPECT_EQ(error_of([&] { open.result.get(); }).kind(), ErrorKind::kProtocol);
  caller.connection->close(ErrorKind::kDisconnected, "over");
}

// ---- what our own sides send
// ---------------------------------------------------------------------

struct Nothing {
  template <class Archive>
  void serialize(Archive&, unsigned) {}
};

class Ticker {
 public:
  template <class T>
  static void write(int n, Writer<T>& out) {
    for (int i = 0; i < n; ++i) out.write({});
    if (!out.try_write({})) out.write({});
  }
  template <class T>
  static int read(Stream<T>& in) {
    int n = 0;
    while (in.next()) ++n;
    return n;
  }
  void tuples(int n, Writer<std::tuple<>>& out) { write(n, out); }
  void monostates(int n, Writer<std::monostate>& out) { write(n, out); }
  void arrays(int n, Writer<std::array<int, 0>>& out) { write(n, out); }
  void nothings(int n, Writer<Nothing>& out) { write(n, out); }
  int take_tuples(Stream<std::tuple<>>& in) { return read(in); }
  int take_nothings(Stream<Nothing>& in) { return read(in); }
  /// Small elements by and by between large ones, which go out by themselves.
  void mixed(int n, Writer<std::string>& out) {
    for (int i = 0; i < n; ++i) out.write(std::string(i % 3 == 0 ? 70'000 : 900, 'x'));
  }

  using Functions =
      FunctionList<&Ticker::tuples, &Ticker::monostates, &Ticker::arrays, &Ticker::nothings,
                   &Ticker::take_tuples, &Ticker::take_nothings, &Ticker::mixed>;
};

class EmptyElements : public ::testing::TestWithParam<Transport> {
 protected:
  template <auto Member>
  void expect_all_come() {
    auto open = peers.open(fn<Member>, 999);
    EXPECT_EQ(Ticker::read(open.output), 1000);
  }
  Peers<Ticker> peers{GetParam()};
};
COHORT_OVER_EACH_TRANSPORT(EmptyElements);

TEST_P(EmptyElements, AllArrive) {
  expect_all_come<&Ticker::tuples>();
  expect_all_come<&Ticker::monostates>();
  expect_all_come<&Ticker::arrays>();
  expect_all_come<&Ticker::nothings>();
  auto tuples = peers.open(fn<&Ticker::take_tuples>);
  Ticker::write(999, tuples.input);
  tuples.input.close();
  EXPECT_EQ(tuples.result.get(), 1000);
  auto nothings = peers.open(fn<&Ticker::take_nothings>);
  Ticker::write(999, nothings.input);
  nothings.input.close();
  EXPECT_EQ(nothings.result.get(), 1000);
}

TEST_P(EmptyElements, AndLargeOnesKeepToTheWindow) {
  for (std::uint64_t const window : {1u, 1000u, 100'000u}) {
    auto settings = test::test_settings();
    settings.stream_window = window;
    Peers<Ticker> narrow(GetParam(), settings);
    auto open = narrow.open(fn<&Ticker::mixed>, 500);
    int n = 0;
    while (open.output.next()) ++n;
    EXPECT_EQ(n, 500) << window;
    open.result.get();
  }
}

// ---- calls on a connection that is gone
// ----------------------------------------------------------

TEST_P(BadFrames, NeverComeOfTwoThreadsThatOpenStreamsOnALostConnection) {
  Peers<Fountain> peers(GetParam());
  peers.connection().close(ErrorKind::kDisconnected, "gone");
  std::atomic<int> errors{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 5000; ++i) {
        auto open = peers.open(fn<&Fountain::scale>, 1.0);
        errors += error_of([&] { open.output.next(); }).kind() == ErrorKind::kDisconnected;
        errors += error_of([&] { open.input.write(1.0); }).kind() == ErrorKind::kDisconnected;
        errors += error_of([&] { open.result.get(); }).kind() == ErrorKind::kDisconnected;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(errors.load(), 30'000);
  EXPECT_EQ(peers.connection().streams().size(), 0u);
}

}  // namespace
}  // namespace cohort
