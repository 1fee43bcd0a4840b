// A unique_ptr to a class with virtual functions would lose its dynamic type.
#include <memory>

#include "core/archive.h"

struct Shape {
#ifndef COHORT_CONTROL
  virtual ~Shape() = default;
#endif
  template <class Archive>
  void serialize(Archive&, unsigned) {}
};

void send(cohort::Message& message) { cohort::encode(message, std::make_unique<Shape>()); }
