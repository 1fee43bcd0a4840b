#include "launch/strangers.h"

#include <algorithm>

#include <sys/resource.h>
#include <unistd.h>

#include "launch/handshake_source.h"

namespace cohort {
namespace {

/// Of a user that the kernel does not name.
constexpr std::int64_t kUnknown = -1;

/// The rest is the program's: what it opens must not fail for strangers.
std::size_t places() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return Strangers::kPlaces;
  return std::clamp<rlim_t>(limit.rlim_cur / 4, 1, Strangers::kPlaces);
}

bool may_be_of_this_session(std::pair<std::string, std::int64_t> const& of) {
  return of.first.empty() && (of.second == kUnknown || of.second == std::int64_t{::geteuid()});
}

std::size_t places_of(std::pair<std::string, std::int64_t> const& of) {
  auto const all = places();
  return may_be_of_this_session(of) ? all : std::min(Strangers::kPlacesForOthers, all);
}

}  // namespace

Strangers::Strangers() = default;
Strangers::~Strangers() = default;

Strangers::Ticket Strangers::next_ticket(SocketPeer const& peer) {
  return {{peer.local ? "" : peer.address, peer.uid ? std::int64_t{*peer.uid} : kUnknown},
          ++last_number_};
}

bool Strangers::admit(Ticket const& ticket, std::shared_ptr<HandshakeSource> handshake) {
  auto const group = groups_.try_emplace(ticket.of).first;
  group->second.silent.emplace(ticket.number, Place{std::move(handshake), Clock::now()});
  ++taken_;
  if (group->second.size() > places_of(ticket.of)) return turn_out_one_of(group);
  return taken_ <= places() || turn_out_one_of(largest());
}

void Strangers::leave(Ticket const& ticket) {
  auto const group = groups_.find(ticket.of);
  if (group == groups_.end()) return;
  taken_ -= group->second.silent.erase(ticket.number) + group->second.others.erase(ticket.number);
  if (group->second.size() == 0) groups_.erase(group);
}

bool Strangers::turn_out_one() { return taken_ != 0 && turn_out_one_of(largest()); }

Strangers::Groups::iterator Strangers::largest() {
  return std::max_element(groups_.begin(), groups_.end(), [](auto const& a, auto const& b) {
    return a.second.size() < b.second.size();
  });
}

/// Looks at what it may have said meanwhile first: it is then no silent one, or has ended.
bool Strangers::turn_out_one_of(Groups::iterator group) {
  auto const of = group->first;
  auto const before = taken_;
  auto& [silent, others] = group->second;
  for (;;) {
    auto& places = silent.empty() ? others : silent;
    auto const [number, place] = *places.begin();
    place.handshake->on_readable();
    if (taken_ < before) return true;  // the group may be gone
    if (&places == &silent && place.handshake->has_said_hello()) {
      others.insert(silent.extract(number));
      continue;
    }
    auto const waited =
        std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - place.since);
    if (waited < kGrace && may_be_of_this_session(of)) return false;
    place.handshake->turn_out(
        "it has not proved who it is in " + std::to_string(waited.count()) +
        " ms, and goes for a newer one: " + std::to_string(group->second.size() - 1) +
        " more of its user or machine wait");
    return true;
  }
}

}  // namespace cohort
