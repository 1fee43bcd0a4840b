#include "launch/mpi_runtime.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <mpi.h>
#include <unistd.h>

#include "core/clock.h"

namespace cohort::mpi {
namespace {

constexpr std::chrono::seconds kFinalizeAtMost{10};
std::atomic<int> g_stuck{0};

/// What MPI cannot end in time, because a process that it counts on is dead, ends here.
void finalize(int status, void*) {
  auto const give_up = [status] {
    std::fflush(nullptr);
    ::_exit(status);
  };
  if (g_stuck.load() != 0) give_up();
  std::thread([give_up] {
    std::this_thread::sleep_for(kFinalizeAtMost);
    give_up();
  }).detach();
  MPI_Finalize();
}

}  // namespace

std::string describe_error(int error) {
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(error, text, &length);
  return {text, static_cast<std::size_t>(length)};
}

void initialise() {
  int provided = MPI_THREAD_SINGLE;
  int const result = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided);
  if (result != MPI_SUCCESS) throw std::runtime_error("MPI_Init_thread failed");
  if (provided != MPI_THREAD_MULTIPLE) {
    throw std::runtime_error("this MPI does not offer MPI_THREAD_MULTIPLE, which cohort needs");
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
}

void finalize_at_exit() { ::on_exit(&finalize, nullptr); }
void expect_no_finalize() noexcept { ++g_stuck; }
void expect_finalize_again() noexcept { --g_stuck; }

}  // namespace cohort::mpi
