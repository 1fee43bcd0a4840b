// A WorkerRef may be put into any archive of Boost's: a file that another program of the session
// reads, or a configuration that people look at.
#include <sstream>

#include <boost/archive/text_iarchive.hpp>
#include <boost/archive/text_oarchive.hpp>
#include <boost/archive/xml_iarchive.hpp>
#include <boost/archive/xml_oarchive.hpp>

#include "launch/worker.h"
#include "tests/launch/support.h"
#include "tests/launch/workers.h"

namespace launch_test {
namespace {

using Ref = cohort::WorkerRef<Calculator>;

Ref example() {
  Ref ref{{.path = {3, 1, 2},
           .name = "the reader <1>",
           .host = "node7",
           .pid = 4711,
           .endpoint = {"@0001f", 0},
           .settings = {}}};
  ref.address.settings.heartbeat_timeout = 1234ms;
  ref.address.settings.spin = std::chrono::microseconds(77);
  return ref;
}

void expect_same(Ref const& read, Ref const& written) {
  auto const& [path, name, host, pid, endpoint, settings] = read.address;
  EXPECT_EQ(path, written.address.path);
  EXPECT_EQ(name, written.address.name);
  EXPECT_EQ(host, written.address.host);
  EXPECT_EQ(pid, written.address.pid);
  EXPECT_EQ(endpoint.to_string(), written.address.endpoint.to_string());
  EXPECT_EQ(settings, written.address.settings);
}

template <class Out, class In>
std::string passes(Ref const& written) {
  std::stringstream text;
  {
    Out out(text);
    out << boost::serialization::make_nvp("worker", written);
  }
  Ref read;
  In in(text);
  in >> boost::serialization::make_nvp("worker", read);
  expect_same(read, written);
  return text.str();
}

TEST(WorkerRef, PassesThroughTextAndXmlArchives) {
  passes<boost::archive::text_oarchive, boost::archive::text_iarchive>(example());
  auto const xml = passes<boost::archive::xml_oarchive, boost::archive::xml_iarchive>(example());
  EXPECT_TRUE(contains(xml, "<id>3.1.2</id>"));
  EXPECT_TRUE(contains(xml, "<heartbeat_timeout>1234</heartbeat_timeout>"));
}

TEST(WorkerRef, PassesThroughThemWithoutANumber) {
  auto served = example();
  served.address.path = {};
  passes<boost::archive::text_oarchive, boost::archive::text_iarchive>(served);
}

TEST(WorkerRef, TakesNoNumberThatIsNone) {
  for (auto const* id : {"", "1.", ".1", "1.x", "1..2", "99999999999", "master.1"}) {
    EXPECT_THROW(static_cast<void>(cohort::parse_worker_path(id)), std::invalid_argument) << id;
  }
  EXPECT_EQ(cohort::parse_worker_path("2.1"), (std::vector<std::uint32_t>{2, 1}));
}

TEST(WorkerRef, ConnectsAfterAnArchive) {
  cohort::Cluster cluster(kTypes, {});
  auto const worker = cohort::spawn_one<Calculator>(cluster, {});
  std::stringstream text;
  {
    boost::archive::text_oarchive out(text);
    auto const ref = worker.ref();
    out << ref;
  }
  Ref read;
  boost::archive::text_iarchive in(text);
  in >> read;
  EXPECT_EQ(cohort::connect(cluster, read).call(cohort::fn<&Calculator::add>, 1, 2).get(), 3);
}

}  // namespace
}  // namespace launch_test
