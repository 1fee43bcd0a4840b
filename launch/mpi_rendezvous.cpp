// After the launch, MPI_Comm_spawn and the new process exchange values by publishing each its own
// and looking the other's up (ompi_dpm_connect_accept of Open MPI 4.1.4), under names that begin
// with their port:
//  1. PORT:accept, PORT:connect: the lists of their processes;
//  2. (PMIx_Connect, which returns an error where the other one is gone;)
//  3. PORT:nextcid:recv:N, PORT:nextcid:send:N: the context id of their communicator, by a maximum
//     (N = 0), and whether it is free at both (N = 1), by a minimum;
//  4. PORT:activate:recv:0, PORT:activate:send:0: whether both are ready, by a minimum.
// Steps 3 and 4 block inside MPI's progress function, in whichever thread is there, for up to ten
// minutes, while all other communicators wait for that thread. What the new process says there
// follows from its being new: any id will do, and it is ready. So its parent says that beforehand.
#include "launch/mpi_rendezvous.h"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <type_traits>

#if __has_include(<pmix.h>)
#define COHORT_HAVE_PMIX 1
#include <dlfcn.h>
#include <pmix.h>
#endif

namespace cohort::mpi {

std::string parent_port() {
  char const* const value = std::getenv("OMPI_PARENT_PORT");
  std::string port = value != nullptr ? value : "";
  std::erase(port, '"');
  return port;
}

#ifdef COHORT_HAVE_PMIX
namespace {

/// The library that MPI has loaded, where it has: one that is bundled with MPI offers no names.
struct Pmix {
  decltype(&::PMIx_Publish_nb) publish = nullptr;
  decltype(&::PMIx_Initialized) is_initialised = nullptr;
  decltype(&::PMIx_Finalize) finalize = nullptr;
  Pmix() {
    void* const library = ::dlopen("libpmix.so.2", RTLD_NOW | RTLD_NOLOAD);
    if (library == nullptr) return;
    auto const look_up = [library](auto& function, char const* name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(::dlsym(library, name));
      return function != nullptr;
    };
    if (!look_up(is_initialised, "PMIx_Initialized") || is_initialised() == 0) return;
    if (look_up(finalize, "PMIx_Finalize")) look_up(publish, "PMIx_Publish_nb");
  }
};

Pmix const& pmix() {
  static Pmix const library;
  return library;
}

/// What is published, until the server has it.
struct Publication {
  std::array<pmix_info_t, 2> info{};  // the value, and how long it is kept
  std::string text;
};

Publication& add_name(Publication& publication, std::string const& name) {
  auto& [value, persistence] = publication.info;
  PMIX_LOAD_KEY(value.key, name.c_str());
  PMIX_LOAD_KEY(persistence.key, PMIX_PERSISTENCE);
  persistence.value.type = PMIX_PERSIST;
  persistence.value.data.persist = PMIX_PERSIST_FIRST_READ;
  return publication;
}

void publish(std::unique_ptr<Publication> publication) noexcept {
  auto const done = [](pmix_status_t, void* data) { delete static_cast<Publication*>(data); };
  auto* const pending = publication.get();
  if (pmix().publish(pending->info.data(), pending->info.size(), done, pending) == PMIX_SUCCESS) {
    static_cast<void>(publication.release());
  }
}

/// As Open MPI's own buffers have it, where they are not described: the count, the type of an int
/// (OPAL_INT32), and the int, big endian.
void publish_int(std::string const& name, char value) {
  auto publication = std::make_unique<Publication>();
  publication->text = {0, 0, 0, 1, 9, 0, 0, 0, value};
  auto& what = add_name(*publication, name).info[0].value;
  what.type = PMIX_BYTE_OBJECT;
  what.data.bo = {publication->text.data(), publication->text.size()};
  publish(std::move(publication));
}

}  // namespace

bool can_answer_for_others() noexcept { return pmix().publish != nullptr; }

/// It counts how often it was initialised.
void leave_runtime() noexcept {
  constexpr int kOftenAtMost = 16;
  if (!can_answer_for_others()) return;
  for (int i = 0; i < kOftenAtMost && pmix().is_initialised() != 0; ++i) {
    if (pmix().finalize(nullptr, 0) != PMIX_SUCCESS) return;
  }
}

void answer_progress_for(std::string const& port) noexcept try {
  if (!can_answer_for_others()) return;
  publish_int(port + ":nextcid:send:0", 0);
  publish_int(port + ":nextcid:send:1", 1);
  publish_int(port + ":activate:send:0", 1);
} catch (std::exception const&) {
  // Without memory: the process answers by itself.
}

/// By a list of processes that cannot be read.
void call_off(std::string const& port) noexcept try {
  if (!can_answer_for_others()) return;
  auto publication = std::make_unique<Publication>();
  publication->text = "nobody";
  auto& what = add_name(*publication, port + ":connect").info[0].value;
  what.type = PMIX_STRING;
  what.data.string = publication->text.data();
  publish(std::move(publication));
} catch (std::exception const&) {
}
#else
bool can_answer_for_others() noexcept { return false; }
void leave_runtime() noexcept {}
void answer_progress_for(std::string const&) noexcept {}
void call_off(std::string const&) noexcept {}
#endif

}  // namespace cohort::mpi
