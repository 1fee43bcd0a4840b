#include "launch/boot.h"

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include <poll.h>
#include <sodium.h>
#include <unistd.h>

#include "core/archive.h"
#include "core/error.h"
#include "launch/handshake.h"

namespace cohort {

namespace {

/// The record as it travels: a version that every build can read, then values.
struct Travelling {
  std::array<std::byte, Secret::kSize> secret{};
  std::vector<std::uint32_t> path;
  std::uint32_t serial = 0;
  std::int32_t parent_pid = 0;
  std::int32_t inherited_socket = -1;
  Endpoint master;
  bool over_mpi = false;
  Transport transport{};
  Settings settings;
  ShutdownOn shutdown_on{};
  std::optional<unsigned> umask;
  bool forwards_stderr = false;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& secret& path& serial& parent_pid& inherited_socket& master& over_mpi& transport&
        settings& shutdown_on& umask& forwards_stderr;
  }
};

}  // namespace

std::vector<std::byte> to_bytes(BootRecord const& record) {
  Travelling travelling;
  std::copy(record.secret.bytes().begin(), record.secret.bytes().end(), travelling.secret.begin());
  travelling.path = record.id.path();
  travelling.serial = record.serial;
  travelling.parent_pid = record.parent_pid;
  travelling.inherited_socket = record.inherited_socket;
  travelling.master = record.master;
  travelling.over_mpi = record.over_mpi;
  travelling.transport = record.transport;
  travelling.settings = record.settings;
  travelling.shutdown_on = record.shutdown_on;
  travelling.umask = record.umask;
  travelling.forwards_stderr = record.forwards_stderr;
  Message message;
  message.append(&kProtocolVersion, sizeof kProtocolVersion);
  encode(message, travelling);
  sodium_memzero(travelling.secret.data(), travelling.secret.size());
  return {message.bytes().begin(), message.bytes().end()};
}

BootRecord read_boot_record(UniqueFd pipe, Deadline deadline) {
  std::vector<std::byte> bytes;
  for (;;) {
    pollfd readable{pipe.get(), POLLIN, 0};
    if (::poll(&readable, 1, deadline.poll_timeout()) == 0) {
      throw std::runtime_error("the master did not say who this worker is in time");
    }
    std::byte buffer[4096];
    auto const count = check(::read(pipe.get(), buffer, sizeof buffer), "read(boot record)");
    if (count == 0) break;
    bytes.insert(bytes.end(), buffer, buffer + count);
  }
  std::uint32_t version = 0;
  if (bytes.size() < sizeof version) throw std::runtime_error("the boot record is cut short");
  std::memcpy(&version, bytes.data(), sizeof version);
  if (version != kProtocolVersion) {
    throw std::runtime_error("the master speaks version " + std::to_string(version) +
                             " of cohort's protocol, this program version " +
                             std::to_string(kProtocolVersion));
  }
  auto travelling = decode<Travelling>(std::span(bytes).subspan(sizeof version));
  BootRecord record{.secret = Secret(travelling.secret),
                    .id = WorkerId(std::move(travelling.path)),
                    .serial = travelling.serial,
                    .parent_pid = travelling.parent_pid,
                    .inherited_socket = travelling.inherited_socket,
                    .master = std::move(travelling.master),
                    .over_mpi = travelling.over_mpi,
                    .transport = travelling.transport,
                    .settings = travelling.settings,
                    .shutdown_on = travelling.shutdown_on,
                    .umask = travelling.umask,
                    .forwards_stderr = travelling.forwards_stderr};
  sodium_memzero(bytes.data(), bytes.size());
  sodium_memzero(travelling.secret.data(), travelling.secret.size());
  return record;
}

}  // namespace cohort
