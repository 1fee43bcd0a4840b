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
#include "launch/spawn.h"      // IWYU pragma: export
#include "launch/start_app.h"  // IWYU pragma: export
#include "launch/worker.h"     // IWYU pragma: export

/// What a program of cohort names. Three rules hold throughout, unless a comment says otherwise.
///
/// Threads: a Cluster, a Worker, a Managed, a Pool and a Writer may be used by several threads at
/// once; a Future, a Stream, a Subscription and a range of results by one at a time. Callbacks of
/// streams run on one thread, on_failure on another; both may call, spawn and wait, and hold up
/// those behind them meanwhile.
///
/// Lifetimes: a Cluster must outlive the futures, streams, writers, subscriptions and pools of the
/// workers that it spawned. A WorkerRef keeps nothing alive.
///
/// Errors: what a call or a worker comes to is an Error; a wrong setting or option is a
/// std::invalid_argument; what the program must not do is a std::logic_error. Each may throw
/// std::bad_alloc. Destructors, and functions that are noexcept, throw nothing.
namespace cohort {}
