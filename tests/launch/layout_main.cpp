// A master that spawns its worker from another executable, which it is given, over the transport
// that it is given: prints what came of it. OTHER_LAYOUT is the same program but for the order in
// which a structure's fields are laid out and travel.
#include <cstdio>
#include <string>

#include <cohort/cohort.hpp>

struct Pair {
#if defined(OTHER_LAYOUT)
  int second = 0;
  int first = 0;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& second& first;
  }
#else
  int first = 0;
  int second = 0;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& first& second;
  }
#endif
};

class Divider {
 public:
  int divide(Pair const& pair) { return pair.first / pair.second; }
  using Functions = cohort::FunctionList<&Divider::divide>;
};

int main(int argc, char** argv) {
  if (cohort::is_worker_process()) return cohort::run_worker(cohort::app_types<Divider>);
  if (argc != 3) return 2;
  return cohort::run_master(
      cohort::app_types<Divider>, {.transport = cohort::parse_transport(argv[2])},
      [&](cohort::Cluster& cluster) {
        try {
          auto const worker = cohort::spawn_one<Divider>(cluster, {.executable = argv[1]});
          Pair pair;
          pair.first = 12;
          pair.second = 4;
          std::printf("%d\n", worker.call(cohort::fn<&Divider::divide>, pair).get());
        } catch (cohort::Error const& error) {
          std::printf("%s\n", error.what());
        }
        return 0;
      });
}
