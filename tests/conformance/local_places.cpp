#include "tests/conformance/conformance.h"

namespace conformance {

std::vector<Place> places() {
  return {{"unix_local", {.transport = cohort::Transport::kUnix}},
          {"tcp_local", {.transport = cohort::Transport::kTcp}},
          {"inproc", {}, true}};
}

}  // namespace conformance
