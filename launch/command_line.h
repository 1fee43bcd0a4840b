// Cohort's options on the command line of a program that has one of its own (CLI11).
#pragma once

#include "launch/options.h"

namespace CLI {
class App;
}

namespace cohort {

/// Adds --workers and --transport to a program's own command line.
void add_cluster_options(CLI::App& app, ClusterOptions& options);

}  // namespace cohort
