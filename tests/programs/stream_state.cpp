// A function that gives its state as it is now, and then every update of it: who watches misses
// nothing in between, and sees nothing twice.
#include <iostream>
#include <string>
#include <utility>

#include <cohort/cohort.hpp>

class Thermometer {
 public:
  cohort::State<double, std::string> watch(cohort::Writer<std::string> updates) {
    updates_ = std::move(updates);
    return {celsius_};
  }

  void change(double by) {
    celsius_ += by;
    updates_.write((by < 0 ? "down to " : "up to ") + std::to_string(static_cast<int>(celsius_)));
  }

  void stop() { updates_.close(); }

  using Functions =
      cohort::FunctionList<&Thermometer::watch, &Thermometer::change, &Thermometer::stop>;

 private:
  double celsius_ = 20;
  cohort::Writer<std::string> updates_;
};

int master(cohort::Cluster& cluster) {
  auto const worker = cohort::spawn_one<Thermometer>(cluster, {});
  auto state = worker.state(cohort::fn<&Thermometer::watch>);
  std::cout << "at first " << state.initial << '\n';
  for (double const by : {2, 3, -6}) worker.post(cohort::fn<&Thermometer::change>, by);
  worker.post(cohort::fn<&Thermometer::stop>);
  for (auto const& update : state.updates) std::cout << update << '\n';
  return 0;
}

int main(int argc, char** argv) { return cohort::start_app<Thermometer>(argc, argv, master); }
