// The job layer: pools of workers, map and reduce.
#pragma once

#include "cohort/cohort.hpp"  // IWYU pragma: export
#include "jobs/generated.h"   // IWYU pragma: export
#include "jobs/pool.h"        // IWYU pragma: export
