#include "launch/plan_transfer.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/socket.h>

#include "core/archive.h"
#include "core/error.h"

namespace cohort {
namespace {

constexpr std::chrono::seconds kBodyAtMost{30};
constexpr std::size_t kFilesAtMost = 2 + kPassedOnAtMost;
constexpr std::uint64_t kPlanAtMost = 16 << 20;
/// Received files go above the numbers under which the process inherits them.
constexpr int kAboveInherited = kFirstPassedOn + static_cast<int>(kFilesAtMost);

struct PlanHead {
  std::uint64_t size = 0;
  std::uint32_t files = 0;
  std::uint32_t reserved = 0;
};

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

}  // namespace

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
  if (!receive_exactly(socket, body.data(), body.size(), Deadline::after(kBodyAtMost))) {
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

}  // namespace cohort
