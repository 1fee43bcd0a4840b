#include "launch/executable_identity.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sodium.h>
#include <unistd.h>

#include "core/error.h"
#include "transports/socket.h"

namespace cohort {
namespace {

using ProgramHeaders = std::span<ElfW(Phdr) const>;

std::string in_hex(std::span<unsigned char const> bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (auto const byte : bytes) {
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

/// The running executable as the dynamic linker knows it: its first object.
struct Loaded {
  ElfW(Addr) address = 0;
  ProgramHeaders segments;
};
Loaded loaded_executable() {
  Loaded loaded;
  ::dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void* out) -> int {
        *static_cast<Loaded*>(out) = {object->dlpi_addr, {object->dlpi_phdr, object->dlpi_phnum}};
        return 1;
      },
      &loaded);
  return loaded;
}

std::optional<std::string> build_id(Loaded const& loaded) {
  for (auto const& segment : loaded.segments) {
    if (segment.p_type != PT_NOTE) continue;
    auto const* at = reinterpret_cast<unsigned char const*>(loaded.address + segment.p_vaddr);
    auto const* const end = at + segment.p_memsz;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
      ElfW(Nhdr) note;
      std::memcpy(&note, at, sizeof note);
      auto const* name = at + sizeof note;
      auto const* data = name + ((note.n_namesz + 3) & ~3U);
      if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
          std::memcmp(name, "GNU", 4) == 0) {
        return in_hex({data, note.n_descsz});
      }
      at = data + ((note.n_descsz + 3) & ~3U);
    }
  }
  return std::nullopt;
}

[[noreturn]] void cannot_read(std::string const& why) {
  throw std::runtime_error(
      "this program has no build id, and its executable cannot be read instead: " + why +
      " (link it with -Wl,--build-id)");
}

/// A piece of the file, whole.
void read_at(int file, std::span<unsigned char> into, std::uint64_t offset) {
  while (!into.empty()) {
    auto const count = ::pread(file, into.data(), into.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) cannot_read(std::strerror(errno));
    if (count == 0) cannot_read("it is cut short");
    into = into.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
}

/// /proc/self/exe is another file where a loader or an emulator runs the program.
void check_that_it_is_ours(int file, ProgramHeaders segments) {
  ElfW(Ehdr) header;
  read_at(file, {reinterpret_cast<unsigned char*>(&header), sizeof header}, 0);
  std::vector<ElfW(Phdr)> theirs(segments.size());
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_phnum == segments.size()) {
    read_at(file, {reinterpret_cast<unsigned char*>(theirs.data()), segments.size_bytes()},
            header.e_phoff);
    if (std::memcmp(theirs.data(), segments.data(), segments.size_bytes()) == 0) return;
  }
  cannot_read("/proc/self/exe is another program's, which runs this one");
}

/// Debugging information, most of a large executable, is not loaded.
std::string hash_of_what_is_loaded(ProgramHeaders segments) {
  UniqueFd const file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  if (!file) cannot_read(std::strerror(errno));
  check_that_it_is_ours(file.get(), segments);
  constexpr std::size_t kPiece = 256 << 10;
  std::vector<unsigned char> piece(kPiece);
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, crypto_generichash_BYTES);
  for (auto const& segment : segments) {
    if (segment.p_type != PT_LOAD) continue;
    for (std::uint64_t done = 0; done < segment.p_filesz;) {
      auto const size = std::min<std::uint64_t>(kPiece, segment.p_filesz - done);
      read_at(file.get(), std::span(piece).first(size), segment.p_offset + done);
      crypto_generichash_update(&state, piece.data(), size);
      done += size;
    }
  }
  std::vector<unsigned char> digest(crypto_generichash_BYTES);
  crypto_generichash_final(&state, digest.data(), digest.size());
  return in_hex(digest);
}

std::string find_identity() {
  auto const loaded = loaded_executable();
  if (auto const id = build_id(loaded)) return "build " + *id;
  if (::sodium_init() < 0) throw std::runtime_error("libsodium does not start");
  return "executable " + hash_of_what_is_loaded(loaded.segments) + " (it has no build id)";
}

}  // namespace

std::string const& executable_identity() {
  static std::string const identity = find_identity();
  return identity;
}

}  // namespace cohort
