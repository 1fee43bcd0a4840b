// A worker in the master's own process, called like any other; also by a worker that was spawned,
// through its ref.
#include <iostream>

#include <cohort/cohort.hpp>
#include <unistd.h>

class Counter {
 public:
  using Init = int;
  explicit Counter(int start) : count_(start) {}

  int add(int n) { return count_ += n; }
  int pid() const { return ::getpid(); }

  using Functions = cohort::FunctionList<&Counter::add, &Counter::pid>;

 private:
  int count_;
};

class Visitor {
 public:
  explicit Visitor(cohort::WorkerContext const& context) : context_(context) {}

  int visit(cohort::WorkerRef<Counter> const& ref) const {
    auto const counter = cohort::connect(context_, ref);
    auto const elsewhere = counter.call(cohort::fn<&Counter::pid>).get() != ::getpid();
    return elsewhere ? counter.call(cohort::fn<&Counter::add>, 5).get() : -1;
  }

  using Functions = cohort::FunctionList<&Visitor::visit>;

 private:
  cohort::WorkerContext context_;
};

int master(cohort::Cluster& cluster) {
  auto const counter = cohort::serve<Counter>(cluster, {}, 100);
  auto const here = counter.call(cohort::fn<&Counter::pid>).get() == ::getpid();
  std::cout << "the counter is in " << (here ? "this process" : "another process") << '\n';
  std::cout << "from here: " << counter.call(cohort::fn<&Counter::add>, 1).get() << '\n';

  auto const visitor = cohort::spawn_one<Visitor>(cluster, {});
  auto const count = visitor.call(cohort::fn<&Visitor::visit>, counter.ref()).get();
  std::cout << "from another process: " << count << '\n';
  std::cout << "from here: " << counter.call(cohort::fn<&Counter::add>, 1).get() << '\n';
  return 0;
}

int main(int argc, char** argv) { return cohort::start_app<Counter, Visitor>(argc, argv, master); }
