// What MPI does to a process, and cohort undoes: processors taken away; ports that other machines
// reach, and that every program inherits which the process starts. Master and workers look at
// themselves.
//   mpi_manners --workers mpi
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

#include <cohort/cohort.hpp>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

std::string processors() {
  cpu_set_t set;
  ::sched_getaffinity(0, sizeof set, &set);
  std::string text;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) text += std::to_string(cpu) + ' ';
  }
  return text;
}

/// Whether it is a port that other machines can connect to, or that other programs inherit.
bool is_open(int descriptor) {
  int accepts = 0;
  socklen_t size = sizeof accepts;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) != 0 || accepts == 0) {
    return false;
  }
  if ((::fcntl(descriptor, F_GETFD) & FD_CLOEXEC) == 0) return true;
  sockaddr_in6 address{};
  size = sizeof address;
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  auto const* const v4 = reinterpret_cast<sockaddr_in const*>(&address);
  if (address.sin6_family != AF_INET && address.sin6_family != AF_INET6) return false;
  if (address.sin6_family == AF_INET && v4->sin_addr.s_addr == htonl(INADDR_LOOPBACK)) return false;
  char device[16] = {};
  size = sizeof device;
  ::getsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, device, &size);
  return std::string(device) != "lo";
}

std::string faults() {
  std::string text;
  for (auto const& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    int const descriptor = std::atoi(entry.path().filename().c_str());
    if (is_open(descriptor))
      text += "an open port (descriptor " + std::to_string(descriptor) + ") ";
  }
  return text;
}

class Worker {
 public:
  std::string processors() { return ::processors(); }
  std::string faults() { return ::faults(); }
  using Functions = cohort::FunctionList<&Worker::processors, &Worker::faults>;
};

int run(cohort::Cluster& cluster) {
  int code = EXIT_SUCCESS;
  auto const demand = [&code](bool holds, std::string const& what) {
    if (holds) return;
    std::cout << what << std::endl;
    code = EXIT_FAILURE;
  };
  for (auto const& worker : cohort::spawn<Worker>(cluster, {})) {  // as many as there are cores
    auto const its = worker.call(cohort::fn<&Worker::processors>).get();
    demand(its == processors(), "a worker has the processors " + its + "of " + processors());
    auto const what = worker.call(cohort::fn<&Worker::faults>).get();
    demand(what.empty(), "a worker has " + what);
  }
  demand(faults().empty(), "the master has " + faults());
  return code;
}

}  // namespace

int main(int argc, char** argv) { return cohort::start_app<Worker>(argc, argv, run); }
