// What is no function of a worker, and worker types that are none, by the macro that is defined.
#include <string>
#include <vector>

#include <cohort/jobs.hpp>

using cohort::fn;

int free_function(int a);

class Worker {
 public:
  int f(int a);
  int over(int a);
  int over(double a);
  int qualified(int a) &;
  static int static_member(int a);
  int data;

#if defined(FREE_FUNCTION_LISTED)
  using Functions = cohort::FunctionList<&Worker::f, &free_function>;
#elif defined(STATIC_MEMBER)
  using Functions = cohort::FunctionList<&Worker::f, &Worker::static_member>;
#elif defined(DATA_MEMBER)
  using Functions = cohort::FunctionList<&Worker::f, &Worker::data>;
#elif defined(REF_QUALIFIED)
  using Functions = cohort::FunctionList<&Worker::f, &Worker::qualified>;
#elif defined(OVERLOADED_LISTED)
  using Functions = cohort::FunctionList<&Worker::f, &Worker::over>;
#elif defined(NO_LIST)
  using Functions = std::vector<int>;
#else
  using Functions =
      cohort::FunctionList<&Worker::f, static_cast<int (Worker::*)(int)>(&Worker::over)>;
#endif
};

class Scaler {
#ifdef PRIVATE_INIT
  using Init = double;
#endif
 public:
#ifndef PRIVATE_INIT
  using Init = double;
#endif
#ifdef WRONG_INIT
  explicit Scaler(std::string const& factor);
#else
  explicit Scaler(double factor);
#endif
  int f(int a);
#ifdef PRIVATE_LIST
 private:
#endif
  using Functions = cohort::FunctionList<&Scaler::f>;
};

auto const& types = cohort::app_types<Worker, Scaler>;

void use(cohort::Cluster& cluster, cohort::Worker<Worker>& worker, cohort::Pool<Worker>& pool,
         cohort::Managed<Worker>& managed) {
  std::vector<int> const inputs;
  auto const lambda = [](int a) { return a; };
#if defined(FREE_FUNCTION)
  int const result = worker.call(fn<&free_function>, 1).get();
#elif defined(LAMBDA_IN_FN)
  int const result = worker.call(fn<[](int a) { return a; }>, 1).get();
#elif defined(LAMBDA)
  int const result = worker.call(lambda, 1).get();
#elif defined(PLAIN_POINTER)
  int const result = worker.call(&Worker::f, 1).get();
#elif defined(OVERLOADED)
  int const result = worker.call(fn<&Worker::over>, 1).get();
#elif defined(LAMBDA_MANAGED)
  int const result = managed.call(lambda, 1).get();
#else
  int const result = worker.call(fn<static_cast<int (Worker::*)(int)>(&Worker::over)>, 1).get() +
                     managed.call(fn<&Worker::f>, 1).get();
#endif
#if defined(LAMBDA_POSTED)
  worker.post(lambda, 1);
#elif defined(LAMBDA_OPENED)
  auto const opened = worker.open(lambda, 1);
#elif defined(LAMBDA_STREAMED)
  for (int const each : worker.stream(lambda, 1)) static_cast<void>(each);
#elif defined(LAMBDA_STATE)
  auto const state = worker.state(lambda, 1);
#elif defined(LAMBDA_MAPPED)
  for (int const each : pool.map(lambda, inputs)) static_cast<void>(each);
#elif defined(LAMBDA_FOUND)
  auto const found = pool.find_map(lambda, inputs);
#elif defined(OVERLOADED_MAPPED)
  for (int const each : pool.map(fn<&Worker::over>, inputs)) static_cast<void>(each);
#elif defined(INIT_MISSING_IN_POOL)
  cohort::Pool<Scaler> scalers(cluster, {.spawn = {.count = 1}});
#else
  for (int const each : pool.map(fn<&Worker::f>, inputs)) static_cast<void>(each);
  cohort::Pool<Scaler> scalers(cluster, {.spawn = {.count = 1}}, 1.0);
#endif
  static_cast<void>(result);
  static_cast<void>(cluster);
  static_cast<void>(lambda);
  static_cast<void>(managed);
}
