// A program with a command line of its own, read by CLI11; its workers are started by way of a
// subcommand. Such a program runs the two halves of start_app where it sees fit.
#include <iostream>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>
#include <cohort/cohort.hpp>

#include "launch/command_line.h"

class Greeter {
 public:
  using Init = std::string;
  explicit Greeter(std::string greeting) : greeting_(std::move(greeting)) {}

  std::string greet(std::string const& name) const { return greeting_ + ", " + name; }

  using Functions = cohort::FunctionList<&Greeter::greet>;

 private:
  std::string greeting_;
};

int main(int argc, char** argv) {
  std::string greeting = "Hello";
  cohort::ClusterOptions options{.workers = 2, .worker_arguments = {"worker"}};

  CLI::App app("Greets the workers of the night shift");
  app.add_option("--greeting", greeting, "what to say to them");
  cohort::add_cluster_options(app, options);
  auto const* const worker = app.add_subcommand("worker", "what this program starts itself as")
                                 ->group("")  // not in --help
                                 ->prefix_command();
  CLI11_PARSE(app, argc, argv);

  if (worker->parsed()) return cohort::run_worker<Greeter>();
  return cohort::run_master<Greeter>(options, [&](cohort::Cluster& cluster) {
    for (auto const& greeter : cohort::spawn<Greeter>(cluster, {}, greeting)) {
      std::cout
          << greeter.call(cohort::fn<&Greeter::greet>, "worker " + greeter.id().to_string()).get()
          << '\n';
    }
    return 0;
  });
}
