// What is particular to Open MPI 4: the parameters under which one worker's death leaves all others
// alone, and the variables by which a process knows how it was started. Measured with 4.1.4.
#include <array>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include "launch/agent.h"
#include "launch/mpi_runtime.h"

extern char** environ;

namespace cohort::mpi {
namespace {

constexpr char kRecovery[] = "OMPI_MCA_orte_enable_recovery";

bool is_under_mpirun() { return std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr; }

bool recovers() {
  char const* const value = std::getenv(kRecovery);
  return value != nullptr && std::string_view(value) != "0";
}

/// What the user has set stays.
void set_default(char const* variable, char const* value) { ::setenv(variable, value, 0); }

/// The same command again, as one that mpirun knows nothing of.
[[noreturn]] void restart_alone() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string const text{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::string> arguments;
  for (std::size_t at = 0; at < text.size(); at += arguments.back().size() + 1) {
    arguments.emplace_back(text.c_str() + at);
  }
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::vector<char*> envp;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!is_of_runtime(*variable)) envp.push_back(*variable);
  }
  envp.push_back(nullptr);
  ::execve("/proc/self/exe", argv.data(), envp.data());
  throw std::runtime_error("cannot start this program again outside of mpirun's job");
}

}  // namespace

std::string prepare_master(MpiOptions const& options) {
  std::string chosen = "workers over MPI: ";
  if (is_under_mpirun()) {
    if (std::string_view(std::getenv("OMPI_COMM_WORLD_SIZE")) != "1") {
      throw std::runtime_error(
          "--workers mpi:N starts its workers by itself: run it alone, or by mpirun "
          "--enable-recovery -n 1");
    }
    if (!recovers()) {
      if (options.restart_without_recovery) restart_alone();
      throw std::runtime_error(
          "mpirun was started without --enable-recovery, so that the death of one worker would end "
          "the whole job: add it, or pass --mpi-restart to start again outside of mpirun's job");
    }
    if (std::getenv("EVENT_NOEPOLL") == nullptr) {
      chosen +=
          "EVENT_NOEPOLL=1 is not in mpirun's environment, and MPI_Comm_spawn may hang now "
          "and then; ";
    }
    chosen += "under mpirun";
  } else {
    set_default(kRecovery, "1");
    set_default("EVENT_NOEPOLL", "1");  // or MPI_Comm_spawn hangs now and then
    if (::geteuid() == 0) {
      set_default("OMPI_ALLOW_RUN_AS_ROOT", "1");
      set_default("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
    }
    if (options.oversubscribe) set_default("OMPI_MCA_rmaps_base_oversubscribe", "1");
    chosen += "without mpirun";
  }
  if (options.fabric == MpiOptions::Fabric::kUcx) {
    for (auto const& [variable, value] : {std::pair("OMPI_MCA_pml", "ucx"),
                                          {"OMPI_MCA_pml_ucx_tls", "any"},
                                          {"OMPI_MCA_pml_ucx_devices", "any"},
                                          {"UCX_TLS", "sm,self"}}) {
      set_default(variable, value);
    }
  } else {
    set_default("OMPI_MCA_pml", "ob1");  // saves 200 ms in each process
  }
  set_default("OMPI_MCA_opal_signal",
              "");  // a crash is reported by cohort, not by handlers of MPI's
  // Large enough that what a dying worker has sent lies in the kernel, not in a queue of MPI's.
  set_default("OMPI_MCA_btl_tcp_sndbuf", "1048576");
  set_default("OMPI_MCA_btl_tcp_rcvbuf", "1048576");
  chosen += ", pml " + std::string(std::getenv("OMPI_MCA_pml"));
  if (options.oversubscribe) chosen += ", oversubscribed";
  return chosen;
}

}  // namespace cohort::mpi
