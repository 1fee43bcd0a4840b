// One worker hands each element to a random one of the workers that subscribed to it, directly: the
// master is not in between. These process it and send it on to the master. Each arrives once.
#include <algorithm>
#include <cstddef>
#include <iostream>
#include <random>
#include <utility>
#include <vector>

#include <cohort/cohort.hpp>

class Dealer {
 public:
  void subscribe(cohort::Writer<int> out) { subscribers_.push_back(std::move(out)); }

  void deal(int count) {
    std::mt19937 engine(std::random_device{}());
    std::uniform_int_distribution<std::size_t> any(0, subscribers_.size() - 1);
    for (int i = 0; i < count; ++i) subscribers_[any(engine)].write(i);
    subscribers_.clear();  // ends the streams
  }

  using Functions = cohort::FunctionList<&Dealer::subscribe, &Dealer::deal>;

 private:
  std::vector<cohort::Writer<int>> subscribers_;
};

using Squared = std::pair<int, int>;  // an element and its square

class Squarer {
 public:
  using Init = cohort::WorkerRef<Dealer>;
  Squarer(Init const& dealer, cohort::WorkerContext const& context)
      : dealer_(cohort::connect(context, dealer)) {
    auto call = dealer_.open(cohort::fn<&Dealer::subscribe>);
    call.result.get();  // the dealer knows this worker before spawn returns
    elements_ = std::move(call.output);
  }

  void square(cohort::Writer<Squared>& out) {
    for (int const element : elements_) out.write({element, element * element});
  }

  using Functions = cohort::FunctionList<&Squarer::square>;

 private:
  cohort::Worker<Dealer> dealer_;
  cohort::Stream<int> elements_;
};

int master(cohort::Cluster& cluster) {
  auto const dealer = cohort::spawn_one<Dealer>(cluster, {});
  auto const squarers = cohort::spawn<Squarer>(cluster, {.count = 3}, dealer.ref());

  std::vector<std::vector<Squared>> arrived(squarers.size());
  std::vector<cohort::Subscription> subscriptions;
  for (std::size_t i = 0; i < squarers.size(); ++i) {
    subscriptions.push_back(
        squarers[i].stream(cohort::fn<&Squarer::square>).subscribe([&, i](Squared const& squared) {
          arrived[i].push_back(squared);
        }));
  }
  dealer.call(cohort::fn<&Dealer::deal>, 1'000).get();
  for (auto const& subscription : subscriptions) subscription.wait();

  std::vector<Squared> all;
  for (auto const& part : arrived) {
    std::cout << (part.empty() ? "a worker had nothing to do\n" : "a worker had its share\n");
    all.insert(all.end(), part.begin(), part.end());
  }
  std::ranges::sort(all);
  std::size_t right = 0;
  for (int i = 0; i < static_cast<int>(all.size()); ++i) {
    if (all[static_cast<std::size_t>(i)] == Squared(i, i * i)) ++right;
  }
  std::cout << all.size() << " elements arrived, " << right << " of them right and once\n";
  return 0;
}

int main(int argc, char** argv) { return cohort::start_app<Dealer, Squarer>(argc, argv, master); }
