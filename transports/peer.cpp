#include "transports/peer.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "transports/socket.h"

namespace cohort {
namespace {

/// More open files than this are not looked through for one line of the log.
constexpr int kFilesAtMost = 20'000;

struct Name {
  bool known = false;
  sa_family_t family = AF_UNSPEC;
  std::array<std::uint32_t, 4> address{};  // as on the wire
  std::uint16_t port = 0;                  // likewise

  explicit Name(sockaddr_storage const& from) : known(true), family(from.ss_family) {
    if (family == AF_INET) {
      auto const& v4 = reinterpret_cast<sockaddr_in const&>(from);
      address[0] = v4.sin_addr.s_addr;
      port = v4.sin_port;
    } else if (family == AF_INET6) {
      auto const& v6 = reinterpret_cast<sockaddr_in6 const&>(from);
      std::memcpy(address.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
      port = v6.sin6_port;
    }
  }
  Name() = default;
};

template <class Get>
Name name_by(Get* get, int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (get(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return Name(address);
}

bool is_of_this_machine(Name const& peer, Name const& own) {
  return peer.address == own.address ||
         (peer.family == AF_INET && ntohl(peer.address[0]) >> 24 == IN_LOOPBACKNET);
}

/// Asks the kernel for the one socket that has these two ends: of the peer, as it sees them.
void add_owner(SocketPeer& to, Name const& peer, Name const& own) {
  UniqueFd const netlink(
      ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG));
  if (!netlink) return;
  struct {
    nlmsghdr header{};
    inet_diag_req_v2 request{};
  } question;
  question.header.nlmsg_len = sizeof question;
  question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.header.nlmsg_flags = NLM_F_REQUEST;
  auto& request = question.request;
  request.sdiag_family = static_cast<__u8>(peer.family);
  request.sdiag_protocol = IPPROTO_TCP;
  request.idiag_states = ~0U;
  request.id.idiag_sport = peer.port;
  request.id.idiag_dport = own.port;
  std::memcpy(request.id.idiag_src, peer.address.data(), sizeof request.id.idiag_src);
  std::memcpy(request.id.idiag_dst, own.address.data(), sizeof request.id.idiag_dst);
  request.id.idiag_cookie[0] = request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  if (::send(netlink.get(), &question, sizeof question, 0) != sizeof question) return;
  // The kernel answers within send().
  alignas(nlmsghdr) std::array<char, 8192> buffer;
  auto const count = ::recv(netlink.get(), buffer.data(), buffer.size(), 0);
  nlmsghdr header;
  inet_diag_msg found;
  if (count < static_cast<ssize_t>(NLMSG_HDRLEN + sizeof found)) return;
  std::memcpy(&header, buffer.data(), sizeof header);
  if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY) return;
  std::memcpy(&found, buffer.data() + NLMSG_HDRLEN, sizeof found);
  if (found.idiag_inode == 0) return;  // nobody has it open any more
  to.uid = found.idiag_uid;
  to.inode = found.idiag_inode;
}

/// The process of that user that has the socket open; 0 where none is found.
pid_t holder_of(std::uint64_t inode) {
  namespace fs = std::filesystem;
  auto const wanted = "socket:[" + std::to_string(inode) + ']';
  std::error_code error;
  int looked_at = 0;
  for (fs::directory_iterator process("/proc", error), end; !error && process != end;
       process.increment(error)) {
    auto const pid = std::atoi(process->path().filename().c_str());
    if (pid == 0) continue;
    std::error_code closed;  // another user's, or gone
    for (fs::directory_iterator file(process->path() / "fd", closed); !closed && file != end;
         file.increment(closed)) {
      if (++looked_at > kFilesAtMost) return 0;
      std::error_code gone;
      if (fs::read_symlink(file->path(), gone) == wanted) return pid;
    }
  }
  return 0;
}

}  // namespace

SocketPeer identify_peer(int socket) {
  SocketPeer result;
  auto const peer = name_by(&::getpeername, socket);
  auto const own = name_by(&::getsockname, socket);
  if (own.family == AF_UNIX) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    result.local = true;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
      result.uid = credentials.uid;
      result.pid = credentials.pid;
    }
    return result;
  }
  if (!peer.known) {
    result.address = "unknown";  // it has gone already
    return result;
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(peer.family, peer.address.data(), text.data(), text.size());
  result.address = text.data();
  result.port = ntohs(peer.port);
  result.local = is_of_this_machine(peer, own);
  if (result.local) add_owner(result, peer, own);
  return result;
}

std::string describe(SocketPeer const& peer) {
  std::string text = peer.local ? "" : peer.address;
  auto const add = [&text](char const* what, long long number) {
    text += (text.empty() ? "" : ", ") + (what + std::to_string(number));
  };
  if (peer.port != 0) add("port ", peer.port);
  auto const pid = peer.pid != 0 || peer.inode == 0 ? peer.pid : holder_of(peer.inode);
  if (pid != 0) add("pid ", pid);
  if (peer.uid) add("uid ", *peer.uid);
  return text;
}

}  // namespace cohort
