// Everything that a program of cohort needs, apart from the job layer (cohort/jobs.hpp).
#pragma once

#include "core/adapt.h"        // IWYU pragma: export
#include "core/error.h"        // IWYU pragma: export
#include "core/function.h"     // IWYU pragma: export
#include "core/future.h"       // IWYU pragma: export
#include "core/settings.h"     // IWYU pragma: export
#include "core/stream.h"       // IWYU pragma: export
#include "launch/cluster.h"    // IWYU pragma: export
#include "launch/log.h"        // IWYU pragma: export
#include "launch/managed.h"    // IWYU pragma: export
#include "launch/options.h"    // IWYU pragma: export
#include "launch/start_app.h"  // IWYU pragma: export
#include "launch/worker.h"     // IWYU pragma: export
