// MPI_Init called by a program's own code, after cohort has called it: Open MPI would end the
// process. A program may have its own, and a profiler that is linked or loaded before MPI comes
// next.
#include <cstdio>

#include <dlfcn.h>
#include <mpi.h>

namespace {

/// Of MPI, or of a profiler that is loaded before it.
template <class Function>
Function next(char const* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

bool is_refused(char const* call) {
  int initialised = 0;
  MPI_Initialized(&initialised);
  if (initialised == 0) return false;
  std::fprintf(stderr,
               "cohort: %s was called where MPI is initialised already, as it is in every process "
               "over MPI: leave the call out, or ask MPI_Initialized first\n",
               call);
  return true;
}

}  // namespace

extern "C" [[gnu::weak]] int MPI_Init(int* argc, char*** argv) {
  if (is_refused("MPI_Init")) return MPI_ERR_OTHER;
  return next<decltype(&MPI_Init)>("MPI_Init")(argc, argv);
}

extern "C" [[gnu::weak]] int MPI_Init_thread(int* argc, char*** argv, int required, int* provided) {
  if (!is_refused("MPI_Init_thread")) {
    return next<decltype(&MPI_Init_thread)>("MPI_Init_thread")(argc, argv, required, provided);
  }
  MPI_Query_thread(provided);
  return MPI_ERR_OTHER;
}
