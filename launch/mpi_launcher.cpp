// The backend of --workers mpi:N and ranks. It spawns workers by MPI_Comm_spawn, each by a call of
// its own, so that the death of one leaves the others alone.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <iterator>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <mpi.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/start_thread.h"
#include "launch/agent.h"
#include "launch/log.h"
#include "launch/mpi_backend.h"
#include "launch/mpi_rendezvous.h"
#include "launch/mpi_runtime.h"
#include "transports/mpi_hub.h"

namespace cohort {
namespace {

/// More at a time gain nothing.
constexpr int kSpawnsAtATime = 3;
/// The first call sets up what the others use, and where others came beside it one of them hung now
/// and then. One that itself hangs is not waited for any longer.
constexpr std::chrono::seconds kFirstAlone{5};
/// Whether a call is waited for is not told.
constexpr std::chrono::milliseconds kLookAgain{200};

/// The one hub of an engine, made when it is first needed. Under the I/O lock.
std::shared_ptr<MpiHub> hub_of(Engine& engine) {
  static std::mutex mutex;
  static std::weak_ptr<MpiHub> last;
  std::lock_guard const lock(mutex);
  auto hub = last.lock();
  if (!hub || &hub->engine() != &engine) {
    hub = std::make_shared<MpiHub>(engine);
    engine.attach(hub);
    last = hub;
  }
  return hub;
}

class Call : public SpawnCall {
 public:
  void agent_came(std::string port) noexcept override {
    mpi::answer_progress_for(port);
    std::lock_guard const lock(mutex_);
    port_ = std::move(port);
  }
  /// Where nobody else can answer for the worker, its agent joins MPI in its place.
  void let_go(UniqueFd agent) noexcept override {
    std::lock_guard const lock(mutex_);
    if (returned_ || !agent) return;
    agent_ = std::move(agent);
    called_off_ = true;
    if (mpi::can_answer_for_others()) return mpi::call_off(port_);
    static_cast<void>(::send(agent_.get(), &kJoinInstead, 1, MSG_NOSIGNAL));
  }
  /// Whether its failure is news: not where the worker's end, or why it did not start, has caused
  /// it.
  bool has_returned() noexcept {
    std::lock_guard const lock(mutex_);
    returned_ = true;
    agent_.reset();
    return !called_off_;
  }

 private:
  std::mutex mutex_;
  std::string port_;
  bool returned_ = false;
  bool called_off_ = false;
  UniqueFd agent_;
};

/// By its name, which stays when this process dies meanwhile: mpirun hangs over a program that it
/// does not find. Where the file was deleted or replaced on disk, by the link that stays good then.
std::string executable_for_mpi() {
  std::error_code error;
  auto const link = "/proc/" + std::to_string(::getpid()) + "/exe";
  auto const file = std::filesystem::read_symlink(link, error);
  return std::filesystem::equivalent(file, link, error) ? file.string() : link;
}

class Spawner : public MpiBackend {
 public:
  std::optional<JobPlace> place_in_job() const override { return mpi::place_in_job(); }
  void mind_exit_status() override {
    auto const place = mpi::place_in_job();
    if (!place) return;
    mpi::finalize_at_exit();
    if (place->rank == 0) mpi::have_mpirun_told_of_a_crash();
  }

  void start(Launcher launcher, MpiOptions const& options) override {
    std::lock_guard const lock(mutex_);
    if (started_) return;
    auto const chosen = mpi::prepare_master(launcher, options);
    // Alone, who asks for so many workers means it; under mpirun the slots are somebody's plan.
    oversubscribe_ = options.oversubscribe || !mpi::place_in_job();
    mpi::finalize_at_exit();
    if (launcher == Launcher::kRanks) {
      mpi::initialise_in_time();
      mpi::leave_finalize_out();
    } else {
      mpi::initialise();
    }
    started_ = true;
    log(LogLevel::kInfo, chosen);
  }

  void prepare_rank(MpiOptions const& options) override { mpi::prepare_rank(options); }
  void initialise() override { mpi::initialise(); }

  MakePlane plane_to_rank(std::uint32_t rank, std::uint32_t life) override {
    return [rank, life](Engine& engine) {
      return plane_to(engine, MPI_COMM_WORLD, static_cast<int>(rank), life);
    };
  }

  std::shared_ptr<SpawnCall> spawn(std::string agent_variable, std::string label,
                                   std::function<bool()> wanted, Spawned done) override {
    auto call = std::make_shared<Call>();
    std::lock_guard const lock(mutex_);
    // A call that hangs is left to itself; nothing else waits for it.
    start_thread("a call of MPI_Comm_spawn", [this, turn = turns_, call,
                                              variable = std::move(agent_variable),
                                              label = std::move(label), wanted = std::move(wanted),
                                              done = std::move(done)]() mutable {
      auto const place = wait_for_place(turn, wanted);
      MPI_Comm workers = MPI_COMM_NULL;
      std::optional<int> result;
      if (wanted() && mpi::begin_call()) {
        if (place->communicator == MPI_COMM_NULL) {
          MPI_Comm_dup(MPI_COMM_SELF, &place->communicator);
        }
        result = call_spawn(place->communicator, variable, label, workers);
        mpi::end_call();
      }
      leave(place, result.has_value());
      bool const is_news = call->has_returned();
      if (!result || (*result != MPI_SUCCESS && !is_news)) return;
      if (*result == MPI_ERR_SPAWN) mpi::note_that_mpirun_waits();
      if (*result != MPI_SUCCESS) {
        return done({},
                    "MPI_Comm_spawn: " + mpi::describe_error(*result) +
                        (*result == MPI_ERR_SPAWN
                             ? " (no slot is left? --mpi-oversubscribe starts more workers than "
                               "slots)"
                             : ""));
      }
      done([workers](Engine& engine) { return plane_to(engine, workers, 0, 0); }, {});
    }).detach();
    ++turns_;  // now that there is a thread which takes it
    return call;
  }

  std::string parent_port() const override { return mpi::parent_port(); }

  void stand_in() noexcept override {
    try {
      mpi::initialise();
    } catch (std::exception const&) {
      // Then whoever waits goes on waiting.
    }
  }

  void leave() noexcept override { mpi::leave_runtime(); }

  std::shared_ptr<DataPlane> join(Engine& engine, std::uint32_t life) override {
    mpi::initialise();
    MPI_Comm master = MPI_COMM_NULL;
    MPI_Comm_get_parent(&master);
    if (master == MPI_COMM_NULL) master = MPI_COMM_WORLD;  // a rank of its job
    std::shared_ptr<DataPlane> plane;
    engine.run_locked([&] { plane = plane_to(engine, master, 0, life); });
    return plane;
  }

 private:
  /// A call under way. Each has a communicator of its own, since those over one may not overlap.
  struct Place {
    MPI_Comm communicator = MPI_COMM_NULL;
    std::function<bool()> wanted;
  };
  using PlaceOfOne = std::list<Place>::iterator;

  /// They begin in the order of their turns. One that nobody waits for any more hangs, and takes no
  /// room from others.
  PlaceOfOne wait_for_place(std::uint64_t turn, std::function<bool()> const& wanted) {
    std::unique_lock lock(mutex_);
    auto const next_with_at_most = [this, turn](int others) {
      return turn == next_turn_ &&
             std::count_if(under_way_.begin(), under_way_.end(),
                           [](Place const& each) { return each.wanted(); }) <= others;
    };
    place_free_.wait_for(lock, kFirstAlone, [&] { return has_spawned_ || next_with_at_most(0); });
    while (!place_free_.wait_for(lock, kLookAgain,
                                 [&] { return next_with_at_most(kSpawnsAtATime - 1); })) {
    }
    auto const place = under_way_.insert(under_way_.end(), {MPI_COMM_NULL, wanted});
    if (!free_communicators_.empty()) {
      place->communicator = free_communicators_.back();
      free_communicators_.pop_back();
    }
    ++next_turn_;
    lock.unlock();
    place_free_.notify_all();
    return place;
  }
  void leave(PlaceOfOne place, bool has_spawned) {
    {
      std::lock_guard const lock(mutex_);
      if (place->communicator != MPI_COMM_NULL) {
        free_communicators_.push_back(place->communicator);
      }
      under_way_.erase(place);
      if (has_spawned) has_spawned_ = true;
    }
    place_free_.notify_all();
  }

  int call_spawn(MPI_Comm self, std::string const& variable, std::string& label,
                 MPI_Comm& workers) const {
    auto const executable = executable_for_mpi();
    MPI_Info info = MPI_INFO_NULL;
    MPI_Info_create(&info);
    MPI_Info_set(info, "env", ("COHORT_AGENT=" + variable).c_str());
    // mpirun does not look at our environment for it.
    if (oversubscribe_) MPI_Info_set(info, "map_by", "slot:OVERSUBSCRIBE");
    // By default each would be bound to one core, as the only process of its job.
    if (std::getenv("OMPI_MCA_hwloc_base_binding_policy") == nullptr) {
      MPI_Info_set(info, "bind_to", "none");
    }
    char* arguments[] = {label.data(), nullptr};
    int const result = MPI_Comm_spawn(executable.c_str(), arguments, 1, info, 0, self, &workers,
                                      MPI_ERRCODES_IGNORE);
    MPI_Info_free(&info);
    return result;
  }

  static std::shared_ptr<DataPlane> plane_to(Engine& engine, MPI_Comm peers, int rank,
                                             std::uint32_t life) {
    MPI_Comm_set_errhandler(peers, MPI_ERRORS_RETURN);
    return std::make_shared<MpiLink>(hub_of(engine), peers, rank, life);
  }

  std::mutex mutex_;
  std::condition_variable place_free_;
  bool started_ = false;
  bool oversubscribe_ = false;
  std::uint64_t turns_ = 0;  // in the order of the calls
  std::uint64_t next_turn_ = 0;
  std::list<Place> under_way_;
  std::vector<MPI_Comm> free_communicators_;
  bool has_spawned_ = false;
};

}  // namespace
}  // namespace cohort

extern "C" cohort::MpiBackend* cohort_mpi_backend() noexcept {
  static auto* const spawner = new cohort::Spawner;  // threads that hang in MPI may outlive main
  return spawner;
}
