// The worker types of the conformance suite whose start or end is not as it should be, or is large.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <cohort/cohort.hpp>

namespace conformance {

/// Its constructor does what the Init says: "throw", "throw number", "throw second" (the second of
/// its group throws, the others hang), "_exit" (with 7), "abort", "hang", or nothing.
class Awkward {
 public:
  using Init = std::string;
  Awkward(std::string const& how, cohort::WorkerContext const& context);
  std::string how() const { return how_; }
  using Functions = cohort::FunctionList<&Awkward::how>;

 private:
  std::string how_;
};

/// Its Init is big.
class Heavy {
 public:
  using Init = std::vector<double>;
  explicit Heavy(std::vector<double> values) : values_(std::move(values)) {}
  std::uint64_t size() const { return values_.size(); }
  double sum() const;
  using Functions = cohort::FunctionList<&Heavy::size, &Heavy::sum>;

 private:
  std::vector<double> values_;
};

/// Its destructor does what the Init says: "write FILE", "throw", "terminate", "crash" (SIGSEGV),
/// "hang", "exit" (with 3), or nothing.
class Mortal {
 public:
  using Init = std::string;
  explicit Mortal(std::string how) : how_(std::move(how)) {}
  ~Mortal();

  int one() const { return 1; }
  // Both write one element once they run; then they wait for their stop, or do not look for it.
  void listen(cohort::Writer<int>& begun, std::stop_token stop);
  void compute_on(cohort::Writer<int>& begun);
  void listen_and_throw(cohort::Writer<int>& begun, std::stop_token stop);
  using Functions = cohort::FunctionList<&Mortal::one, &Mortal::listen, &Mortal::compute_on,
                                         &Mortal::listen_and_throw>;

 private:
  std::string how_;
  std::string history_;  ///< what FILE gets
};

}  // namespace conformance
