#include "launch/agent.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {  // glibc 2.36 forgot to say so in this header
#include <sys/pidfd.h>
}

#include "core/archive.h"
#include "launch/mpi_backend.h"
#include "launch/start_plan.h"

extern char** environ;

namespace cohort {
namespace {

using std::chrono::seconds;

constexpr seconds kHelloAtMost{2};
constexpr seconds kConnectAtMost{30};
constexpr std::size_t kFilesAtMost = 8;
constexpr std::uint64_t kPlanAtMost = 16 << 20;
/// Received files go above the numbers under which the process inherits them.
constexpr int kAboveInherited = 64;
/// The byte that the master sends before it goes, where the worker is to outlive it.
constexpr char kLeave = 'L';

struct PlanHead {
  std::uint64_t size = 0;
  std::uint32_t files = 0;
  std::uint32_t reserved = 0;
};
struct Answer {
  std::int32_t pid = -1;
  std::uint32_t text_size = 0;  ///< of what went wrong, where pid is -1
};
struct Exit {
  std::int32_t status = 0;
  std::uint8_t by_signal = 0;
  std::uint8_t core_dumped = 0;
  std::uint16_t reserved = 0;
};

bool is_of_this_user(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         peer.uid == ::geteuid();
}

pid_t peer_pid(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  check(::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size), "getsockopt(SO_PEERCRED)");
  return peer.pid;
}

// ---- a plan on its way -------------------------------------------------------------------------

struct TravellingPlan {
  std::string path;
  bool look_up = false;
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  std::string directory;
  std::vector<int> inherited_as;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& path& look_up& arguments& environment& directory& inherited_as;
  }
};

/// A plan's head as a message that carries files.
struct HeadMessage {
  HeadMessage() {
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
  }
  HeadMessage(HeadMessage const&) = delete;
  HeadMessage& operator=(HeadMessage const&) = delete;

  PlanHead head{};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kFilesAtMost)> control{};
  iovec part{&head, sizeof head};
  msghdr message{};
};

void send_plan(int socket, StartPlan const& plan, Deadline deadline) {
  TravellingPlan travelling{plan.path,        plan.look_up,   plan.arguments,
                            plan.environment, plan.directory, {}};
  std::array<int, kFilesAtMost> files{};
  for (auto const& each : plan.descriptors) {
    files.at(travelling.inherited_as.size()) = each.file.get();
    travelling.inherited_as.push_back(each.as);
  }
  Message body;
  encode(body, travelling);
  HeadMessage sent;
  auto& [head, control, part, message] = sent;
  head = {.size = body.size(), .files = static_cast<std::uint32_t>(travelling.inherited_as.size())};
  message.msg_controllen = CMSG_SPACE(sizeof(int) * head.files);
  auto* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int) * head.files);
  std::memcpy(CMSG_DATA(header), files.data(), sizeof(int) * head.files);
  if (check(::sendmsg(socket, &message, MSG_NOSIGNAL), "sendmsg(plan)") != sizeof head) {
    throw std::runtime_error("the agent does not take its plan");
  }
  body.for_each_part([&](std::span<std::byte const> bytes) {
    send_exactly(socket, bytes.data(), bytes.size(), deadline);
  });
}

/// Nothing where the master hung up.
std::optional<StartPlan> receive_plan(int socket) {
  HeadMessage received;
  auto& [head, control, part, message] = received;
  auto const count = check(::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_WAITALL), "recvmsg");
  if (count == 0) return std::nullopt;
  StartPlan plan;
  std::vector<UniqueFd> files;
  for (auto* each = CMSG_FIRSTHDR(&message); each != nullptr; each = CMSG_NXTHDR(&message, each)) {
    if (each->cmsg_level != SOL_SOCKET || each->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t i = 0; i < (each->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
      int file = -1;
      std::memcpy(&file, CMSG_DATA(each) + i * sizeof file, sizeof file);
      files.emplace_back(file);
    }
  }
  if (count != sizeof head || head.size > kPlanAtMost || files.size() != head.files) {
    throw std::runtime_error("the plan is broken");
  }
  std::vector<std::byte> body(static_cast<std::size_t>(head.size));
  if (!receive_exactly(socket, body.data(), body.size(), Deadline::after(kConnectAtMost))) {
    return std::nullopt;
  }
  auto travelling = decode<TravellingPlan>(body);
  plan.path = std::move(travelling.path);
  plan.look_up = travelling.look_up;
  plan.arguments = std::move(travelling.arguments);
  plan.environment = std::move(travelling.environment);
  plan.directory = std::move(travelling.directory);
  for (std::size_t i = 0; i < files.size(); ++i) {
    UniqueFd above(check(::fcntl(files[i].get(), F_DUPFD_CLOEXEC, kAboveInherited), "fcntl"));
    plan.descriptors.push_back({std::move(above), travelling.inherited_as.at(i)});
  }
  return plan;
}

/// The variables by which the runtime knows this process are the worker's.
void add_runtime_variables(StartPlan& plan) {
  std::erase_if(plan.environment, is_of_runtime);
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (is_of_runtime(*variable)) plan.environment.emplace_back(*variable);
  }
}

void answer(int socket, pid_t pid, std::string const& text) {
  Answer const head{pid, static_cast<std::uint32_t>(text.size())};
  auto const deadline = Deadline::after(kConnectAtMost);
  send_exactly(socket, &head, sizeof head, deadline);
  send_exactly(socket, text.data(), text.size(), deadline);
}

/// Until the worker has ended; the master's end ends it, unless it is to outlive that.
void watch(int socket, pid_t pid) {
  auto const pidfd = open_pidfd(pid, "the worker");
  std::array<pollfd, 2> events{pollfd{pidfd.get(), POLLIN, 0}, pollfd{socket, POLLIN, 0}};
  for (bool leave = false; (events[0].revents & POLLIN) == 0;) {
    if (::poll(events.data(), events.size(), -1) < 0 && errno != EINTR) throw_errno("poll", errno);
    if (events[1].revents == 0) continue;
    char said = 0;
    auto const count = ::recv(socket, &said, 1, MSG_DONTWAIT);
    if (count == 1) leave = leave || said == kLeave;
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
      if (!leave) ::kill(-pid, SIGKILL);  // it leads a group
      events[1].fd = -1;
    }
  }
  int status = 0;
  check(::waitpid(pid, &status, 0), "waitpid");
  Exit const report{.status = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
                    .by_signal = WIFSIGNALED(status),
                    .core_dumped = WIFSIGNALED(status) && WCOREDUMP(status)};
  static_cast<void>(::send(socket, &report, sizeof report, MSG_NOSIGNAL));
}

/// False where it has started no process.
bool start_and_watch() {
  std::string const variable = std::getenv(kAgentVariable);
  ::unsetenv(kAgentVariable);
  bool started = false;
  try {
    auto const slash = variable.rfind('/');
    auto const number = static_cast<std::uint32_t>(std::stoul(variable.substr(slash + 1)));
    auto const socket = connect_to({variable.substr(0, slash), 0}, Deadline::after(kConnectAtMost));
    if (!is_of_this_user(socket.get())) throw std::runtime_error("the master is another user's");
    set_nonblocking(socket.get(), false);
    send_exactly(socket.get(), &number, sizeof number, Deadline::after(kHelloAtMost));
    auto plan = receive_plan(socket.get());
    if (!plan) return false;
    add_runtime_variables(*plan);
    pid_t pid = -1;
    try {
      pid = start(std::move(*plan));
    } catch (std::exception const& error) {
      answer(socket.get(), -1, error.what());
      return false;
    }
    started = true;
    answer(socket.get(), pid, {});
    watch(socket.get(), pid);
  } catch (std::exception const& error) {
    std::fprintf(stderr, "cohort: agent (pid %d): %s\n", static_cast<int>(::getpid()),
                 error.what());
  }
  return started;
}

}  // namespace

bool is_of_runtime(std::string_view variable) {
  constexpr std::array<std::string_view, 4> kPrefixes{"PMIX_", "OMPI_", "ORTE_", "PRTE_"};
  return std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [&](auto prefix) { return variable.starts_with(prefix); });
}

/// Always ends with 0: how its worker ended is none of the runtime's business, which might end the
/// whole job for it.
int run_agent() {
  bool const started = start_and_watch();
  if (auto* const mpi = mpi_backend(); mpi != nullptr && !started) mpi->stand_in();
  std::fflush(nullptr);
  ::_exit(EXIT_SUCCESS);  // whatever MPI would do at the end of a process that has joined
}

// ---- the master's side -------------------------------------------------------------------------

AgentHall::AgentHall() : stop_(check(::eventfd(0, EFD_CLOEXEC), "eventfd")) {
  std::tie(listener_, endpoint_) = listen_unix(1024);
  thread_ = std::thread([this] { run(); });
}

AgentHall::~AgentHall() {
  std::uint64_t const one = 1;
  [[maybe_unused]] auto const written = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

std::string AgentHall::variable_of(std::uint32_t number) const {
  return endpoint_.host + '/' + std::to_string(number);
}

void AgentHall::run() {
  for (;;) {
    std::array<pollfd, 2> events{pollfd{listener_.get(), POLLIN, 0},
                                 pollfd{stop_.get(), POLLIN, 0}};
    ::poll(events.data(), events.size(), -1);
    if (events[1].revents != 0) return;
    try {
      if (auto socket = accept_connection(listener_.get())) greet(std::move(*socket));
    } catch (std::exception const&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));  // no descriptor is left
    }
  }
}

void AgentHall::greet(UniqueFd socket) {
  std::uint32_t number = 0;
  if (!is_of_this_user(socket.get()) ||
      !receive_exactly(socket.get(), &number, sizeof number, Deadline::after(kHelloAtMost))) {
    return;
  }
  std::lock_guard const lock(mutex_);
  agents_.insert_or_assign(number, std::move(socket));
  came_.notify_all();
}

UniqueFd AgentHall::wait_for(std::uint32_t number, Deadline deadline) {
  std::unique_lock lock(mutex_);
  came_.wait_until(lock, deadline.at(), [&] { return closed_ || agents_.contains(number); });
  auto const found = agents_.find(number);
  if (found == agents_.end()) return {};
  auto agent = std::move(found->second);
  agents_.erase(found);
  return agent;
}

void AgentHall::close() {
  std::lock_guard const lock(mutex_);
  closed_ = true;
  came_.notify_all();
}

Starter starter_through(UniqueFd agent, Deadline deadline) {
  auto const pid = peer_pid(agent.get());
  auto shared = std::make_shared<UniqueFd>(std::move(agent));
  return {.parent = pid, .renumbers = true, .start = [shared, deadline](StartPlan plan) {
            send_plan(shared->get(), plan, deadline);
            plan.descriptors.clear();
            Answer head;
            if (!receive_exactly(shared->get(), &head, sizeof head, deadline)) {
              throw std::runtime_error("the agent hung up");
            }
            if (head.pid < 0) {
              std::string text(head.text_size, '\0');
              receive_exactly(shared->get(), text.data(), text.size(), deadline);
              throw std::runtime_error(text);
            }
            StartedProcess started{.pid = head.pid, .pidfd = {}, .agent = std::move(*shared)};
            started.pidfd = UniqueFd(::pidfd_open(started.pid, 0));  // not where it ended already
            return started;
          }};
}

AgentsProcess::AgentsProcess(Engine& engine, UniqueFd agent, UniqueFd pidfd,
                             std::function<void(ExitReport)> on_exit, pid_t group)
    : WatchedProcess(engine, std::move(pidfd), std::move(on_exit), group),
      agent_(std::move(agent)) {
  set_nonblocking(agent_.get(), true);
}

void AgentsProcess::leave_alone() {
  forget();
  static_cast<void>(::send(agent_.get(), &kLeave, 1, MSG_NOSIGNAL));
}

bool AgentsProcess::on_readable() noexcept {
  Exit exit;
  auto const count = ::recv(agent_.get(), &exit, sizeof exit, MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  ExitReport report;
  if (count == sizeof exit) {
    (exit.by_signal != 0 ? report.signal : report.exit_code) = exit.status;
    report.core_dumped = exit.core_dumped != 0;
  }
  tell(std::move(report));
  return true;
}

}  // namespace cohort
