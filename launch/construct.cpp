#include "launch/construct.h"

#include "launch/server.h"

namespace cohort {

std::string constructor_name(AppTypes types, WorkerTypeId type) {
  return "constructor of " + std::string(types[static_cast<std::uint32_t>(type)].name);
}

void send_construct_call(Connection& connection, ConstructRequest const& request,
                         CallState& state) {
  ConstructHeader const header{request.type, request.index, request.count};
  Message message;
  message.append(&header, sizeof header);
  request.init->for_each_part([&](std::span<std::byte const> part) {
    if (part.size() >= Message::kBorrowAtLeast) {
      message.borrow(part);
    } else {
      message.append(part.data(), part.size());
    }
  });
  connection.call(kConstructFunction, message, state, request.init);
}

}  // namespace cohort
