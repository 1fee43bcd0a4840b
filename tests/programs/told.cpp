// What a terminal is told of a job: told.py runs each case and looks at every line.
#include <chrono>
#include <csignal>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>

#include <cohort/cohort.hpp>
#include <unistd.h>

using cohort::fn;
using namespace std::chrono_literals;

namespace {

class Patient {
 public:
  int pid() { return ::getpid(); }
  int crash() { return std::raise(SIGSEGV); }
  int fail() { throw std::runtime_error("the quiet boom"); }
  void fail_on_a_thread() {
    std::thread([] { throw std::runtime_error("the quiet boom"); }).join();
  }
  void fail_unheard() { throw std::runtime_error("the quiet boom"); }
  void compute() { std::this_thread::sleep_for(60s); }
  void show_progress() {
    std::cout << "10%\r" << std::flush;
    std::cout << "20%\r" << std::flush;
  }
  void write_and_fail(cohort::Writer<int>& out) {
    out.write(1);
    throw std::runtime_error("the quiet boom");
  }

  using Functions =
      cohort::FunctionList<&Patient::pid, &Patient::crash, &Patient::fail,
                           &Patient::fail_on_a_thread, &Patient::fail_unheard, &Patient::compute,
                           &Patient::show_progress, &Patient::write_and_fail>;
};

std::string of_process(int pid, char const* file) {
  std::ifstream in("/proc/" + std::to_string(pid) + '/' + file);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  for (auto& each : text) {
    if (each == '\0') each = ' ';
  }
  return text;
}

using Case = void (*)(cohort::Cluster&);
std::map<std::string, Case> const kCases{
    {"crash",
     [](cohort::Cluster& cluster) {
       auto const worker = cohort::spawn_one<Patient>(cluster, {});
       worker.call(fn<&Patient::crash>).get();
     }},
    {"fail",
     [](cohort::Cluster& cluster) {
       auto const worker = cohort::spawn_one<Patient>(cluster, {});
       worker.call(fn<&Patient::fail>).get();
     }},
    {"thread",
     [](cohort::Cluster& cluster) {
       auto const worker = cohort::spawn_one<Patient>(cluster, {});
       worker.call(fn<&Patient::fail_on_a_thread>).get();
     }},
    {"one_way",
     [](cohort::Cluster& cluster) {
       auto const worker = cohort::spawn_one<Patient>(cluster, {});
       worker.post(fn<&Patient::fail_unheard>);
       worker.call(fn<&Patient::compute>).get();
     }},
    {"one_way_unheard",
     [](cohort::Cluster& cluster) {
       auto const worker = cohort::spawn_one<Patient>(cluster, {});
       worker.post(fn<&Patient::fail_unheard>);
       worker.wait_until_ended(30s);
     }},
    {"detached",
     [](cohort::Cluster& cluster) {
       auto const worker = cohort::spawn_one<Patient>(cluster, {});
       worker.stream(fn<&Patient::write_and_fail>).subscribe([](int) {}).detach();
       worker.call(fn<&Patient::pid>).get();
     }},
    {"end_job",
     [](cohort::Cluster& cluster) {
       auto const workers =
           cohort::spawn<Patient>(cluster, {.count = 2, .on_failure = cohort::end_job});
       for (auto const& worker : workers) {
         std::cout << worker.call(fn<&Patient::pid>).get() << std::endl;
       }
       workers[0].post(fn<&Patient::fail_unheard>);
       std::this_thread::sleep_for(60s);  // the job is to end meanwhile
     }},
    {"progress",
     [](cohort::Cluster& cluster) {
       auto const worker = cohort::spawn_one<Patient>(cluster, {});
       worker.call(fn<&Patient::show_progress>).get();
     }},
    {"title", [](cohort::Cluster& cluster) {
       auto const worker = cohort::spawn_one<Patient>(cluster, {.name = "reader"});
       auto const pid = worker.call(fn<&Patient::pid>).get();
       std::cout << ::getpid() << '\n'
                 << of_process(pid, "comm") << of_process(pid, "cmdline") << std::endl;
     }}};

}  // namespace

int main(int argc, char** argv) {
  return cohort::start_app_with_arguments<Patient>(
      argc, argv, [](cohort::Cluster& cluster, int count, char** arguments) {
        kCases.at(count > 1 ? arguments[1] : "fail")(cluster);
        return 0;
      });
}
