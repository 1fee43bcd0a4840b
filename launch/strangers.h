// Connections whose peers have yet to prove who they are, of all listeners of a process: how many
// there may be, and who goes where there is no room. Under the I/O lock throughout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "core/clock.h"
#include "transports/peer.h"

namespace cohort {

class HandshakeSource;

/// A newcomer always gets in. Where all places are taken, or those of one other user or other
/// machine, somebody goes: of the user or machine that has most of them the one that came first,
/// those that have not even said a hello before the others. So who takes many, takes them from
/// himself. Those that may be of this session, many of which may start at once, are given kGrace.
class Strangers {
 public:
  /// In all; no more than a quarter of the descriptors that the process may have.
  static constexpr std::size_t kPlaces = 2048;
  /// Of them for each user but this process's own, and for each other machine.
  static constexpr std::size_t kPlacesForOthers = 256;
  static constexpr std::chrono::milliseconds kGrace{500};

  Strangers();
  ~Strangers();
  Strangers(Strangers const&) = delete;
  Strangers& operator=(Strangers const&) = delete;

  /// Who comes, and when: a user of this machine, or a machine.
  struct Ticket {
    std::pair<std::string, std::int64_t> of;
    std::uint64_t number = 0;
  };
  [[nodiscard]] Ticket next_ticket(SocketPeer const& peer);
  /// Gives it a place; may end another one, whose outcome its listener hears meanwhile. False where
  /// one is to go and none has had its time: the next one is to wait.
  [[nodiscard]] bool admit(Ticket const& ticket, std::shared_ptr<HandshakeSource> handshake);
  /// It has ended.
  void leave(Ticket const& ticket);
  /// Ends one, for its descriptor. False where none has had its time.
  [[nodiscard]] bool turn_out_one();

 private:
  struct Place {
    std::shared_ptr<HandshakeSource> handshake;
    Clock::time_point since;
  };
  using Places = std::map<std::uint64_t, Place>;  // in the order in which they came
  struct Group {
    Places silent;  // have not said a hello, when they were last looked at
    Places others;
    [[nodiscard]] std::size_t size() const { return silent.size() + others.size(); }
  };
  using Groups = std::map<std::pair<std::string, std::int64_t>, Group>;

  [[nodiscard]] bool turn_out_one_of(Groups::iterator group);
  [[nodiscard]] Groups::iterator largest();

  Groups groups_;
  std::size_t taken_ = 0;
  std::uint64_t last_number_ = 0;
};

}  // namespace cohort
