// A raw pointer among a user type's members does not travel.
#include "core/archive.h"

struct Node {
#ifdef COHORT_CONTROL
  double target = 0;
#else
  double* target = nullptr;
#endif
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& target;
  }
};

void send(cohort::Message& message) { cohort::encode(message, Node()); }
