// Cohort's options on the command line of a program that has one of its own (CLI11).
#pragma once

#include "launch/options.h"

namespace CLI {
class App;
}

namespace cohort {

/// Adds --workers and --transport to a program's own command line, and the --mpi-... options where
/// cohort::mpi is linked. Parsing it fills `options`, which must outlive that, and throws
/// CLI::ValidationError for a value that is none.
void add_cluster_options(CLI::App& app, ClusterOptions& options);

}  // namespace cohort
