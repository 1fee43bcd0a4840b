#include "jobs/replacer.h"

#include <algorithm>
#include <utility>

#include "core/start_thread.h"
#include "launch/cluster.h"
#include "launch/remote_worker.h"

namespace cohort {
namespace {

using std::chrono::milliseconds;

/// What changes together is told in one line, and so often at most.
constexpr milliseconds kTellAfter{200};
constexpr milliseconds kBetweenLines{1000};
/// A century: what a user calls for ever must not overflow the clock.
constexpr milliseconds kForEver = std::chrono::hours(24 * 36500);

/// What a spawn can fail with, as the Error that an operation throws.
Error as_error() {
  try {
    throw;
  } catch (Error const& error) {
    return error;
  } catch (...) {
    auto const text = describe_current_exception();
    return Error(ErrorKind::kRefused, text.what, {}, text.type);
  }
}

/// A worker's last words on stderr may follow the first line.
std::string first_line(std::string const& text) { return text.substr(0, text.find('\n')); }

}  // namespace

// ---- the first start ---------------------------------------------------------------------------

Replacer::Replacer(Cluster& cluster, WorkerTypeId type, std::shared_ptr<Message const> init,
                   PoolOptions const& options, Fill fill)
    : cluster_(cluster),
      type_(type),
      init_(std::move(init)),
      options_(options),
      fill_(std::move(fill)),
      queue_(std::make_shared<CompletionQueue>(cluster.engine())),
      watch_(queue_),
      random_(std::random_device{}()) {
  start_all();
  thread_ = start_thread("the replacements of a pool's workers", [this] { run(); });
}

void Replacer::start_all() {
  auto const deadline = Deadline::after(options_.spawn.spawn_timeout);
  auto const workers = cluster_.start_workers(type_, options_.spawn, init_, {}, deadline);
  size_ = told_working_ = workers.size();
  places_.resize(size_);
  for (std::size_t i = 0; i < size_; ++i) {
    places_[i].state = State::kStarting;
    watch(i, workers[i], deadline);
  }
  Lock lock(mutex_);
  std::optional<Error> first_failure;
  while (count(State::kStarting) != 0) {
    lock.unlock();
    auto const settled = watch_.next(deadline);
    lock.lock();
    if (settled) {
      settle(*settled, lock);
    } else {
      give_up_the_late(lock);
    }
    if (!first_failure) first_failure = last_failure_;
  }
  if (working() != 0) return;
  lock.unlock();
  cluster_.end_in_vain(workers);
  throw Error(*first_failure);
}

// ---- the thread --------------------------------------------------------------------------------

Replacer::~Replacer() {
  {
    std::lock_guard const lock(mutex_);
    stop_ = true;
    kick();
  }
  thread_.join();
  Lock lock(mutex_);
  if (tell_at_ != Clock::time_point::max()) tell_of_changes(lock);
}

void Replacer::run() {
  Lock lock(mutex_);
  while (!stop_) {
    start_what_is_due(lock);
    give_up_the_late(lock);
    if (Clock::now() >= tell_at_) tell_of_changes(lock);
    if (stop_) break;
    auto const until = next_instant();
    if (count(State::kStarting) == 0) {
      // Not in the engine: a thread that waits there for long takes I/O from those who need it.
      changed_.wait_until(lock, until);
      continue;
    }
    listens_ = true;
    lock.unlock();
    auto const tag = watch_.next(Deadline(until));
    lock.lock();
    listens_ = false;
    if (tag && *tag != kNews) settle(*tag, lock);
  }
  for (auto& place : places_) {
    if (place.starting) place.starting->shut_down();  // which ends it at once: it has no object yet
  }
}

/// Under the lock: the thread looks again at what is to be done.
void Replacer::kick() {
  changed_.notify_all();
  if (!std::exchange(listens_, false)) return;
  queue_->expect();
  queue_->push(kNews);
}

/// A lost worker is replaced at once. Only where that failed, work is waited for.
bool Replacer::is_wanted(Place const& place) const {
  return place.state == State::kEmpty && (!place.troubled || !works_.empty());
}

Clock::time_point Replacer::next_instant() const {
  auto first = tell_at_;
  for (auto const& place : places_) {
    if (place.state == State::kStarting) first = std::min(first, place.deadline.at());
    if (is_wanted(place)) first = std::min(first, place.retry_at);
  }
  return first;
}

void Replacer::start_what_is_due(Lock& lock) {
  auto options = options_.spawn;
  options.count = 1;
  for (std::size_t i = 0; i < size_ && !stop_; ++i) {
    auto& place = places_[i];
    if (!is_wanted(place) || place.retry_at > Clock::now()) continue;
    place.state = State::kStarting;
    lock.unlock();
    auto const deadline = Deadline::after(options.spawn_timeout);
    try {
      auto const started = cluster_.start_workers(
          type_, options, init_, {static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(size_)},
          deadline);
      watch(i, started.front(), deadline);
      lock.lock();
    } catch (...) {
      auto why = as_error();
      lock.lock();
      note_failure(i, std::move(why), lock);
    }
  }
}

void Replacer::watch(std::size_t index, std::shared_ptr<RemoteWorker> worker, Deadline deadline) {
  auto& place = places_[index];
  place.deadline = deadline;
  place.starting = std::move(worker);
  watch_.add(place.starting->constructed(), index);
}

/// Its construction is settled, for good or ill.
void Replacer::settle(std::size_t index, Lock& lock) {
  auto const& place = places_[index];
  bool const is_late = place.state != State::kStarting || !place.starting->constructed().ready();
  if (is_late) return;  // of a worker that was given up
  try {
    place.starting->throw_if_not_constructed();
  } catch (Error const& error) {
    return note_failure(index, error, lock);
  }
  put(index, lock);
}

void Replacer::give_up_the_late(Lock& lock) {
  for (std::size_t i = 0; i < size_; ++i) {
    auto& place = places_[i];
    if (place.state != State::kStarting || !place.deadline.passed()) continue;
    if (place.starting->constructed().ready()) {
      settle(i, lock);
    } else {
      note_failure(i, place.starting->lateness(options_.spawn.spawn_timeout), lock);
    }
  }
}

void Replacer::put(std::size_t index, Lock& lock) {
  auto& place = places_[index];
  place.state = State::kWorks;
  place.troubled = false;
  auto worker = std::exchange(place.starting, nullptr);
  working_.fetch_add(1);
  // A good sign for the others.
  for (auto& other : places_) {
    if (other.state != State::kEmpty) continue;
    other.delay = options_.first_retry;
    other.retry_at = std::min(other.retry_at, Clock::now() + jittered(other.delay));
  }
  note_change();
  lock.unlock();
  fill_(index, std::move(worker));
  lock.lock();
  for (auto* const work : works_) work->tell();
  changed_.notify_all();
}

void Replacer::note_failure(std::size_t index, Error why, Lock& lock) {
  auto& place = places_[index];
  auto const given_up = std::exchange(place.starting, nullptr);
  place.state = State::kEmpty;
  if (!place.troubled) place.delay = options_.first_retry;
  place.troubled = true;
  place.retry_at = Clock::now() + jittered(place.delay);
  place.delay = place.delay > options_.longest_retry / 2 ? options_.longest_retry : 2 * place.delay;
  last_failure_ = std::move(why);
  failed_since_ = true;
  if (!cluster_.can_start_more(options_.spawn, working() + count(State::kStarting))) {
    place.state = State::kForsaken;
  }
  note_change();
  changed_.notify_all();
  if (!given_up) return;
  lock.unlock();
  given_up->shut_down();
  lock.lock();
}

milliseconds Replacer::jittered(milliseconds delay) {
  std::uniform_int_distribution<milliseconds::rep> pick((delay.count() + 1) / 2, delay.count());
  return std::min(milliseconds(pick(random_)), kForEver);
}

// ---- what operations ask -----------------------------------------------------------------------

void Replacer::lost(std::size_t index) {
  std::lock_guard const lock(mutex_);
  auto& place = places_[index];
  place.state = State::kEmpty;
  place.retry_at = Clock::now();
  if (working_.fetch_sub(1) == 1) begin_emptiness();
  note_change();
  kick();
}

void Replacer::begin_emptiness() {
  empty_since_ = Clock::now();
  failed_since_ = false;
}

Replacer::Work::Work(Replacer& replacer, std::shared_ptr<CompletionQueue> queue)
    : replacer_(replacer), queue_(std::move(queue)) {
  replacer_.birthplace_.require_here();
  std::lock_guard const lock(replacer_.mutex_);
  if (replacer_.works_.empty() && replacer_.working() == 0) {
    replacer_.begin_emptiness();
    for (auto& place : replacer_.places_) place.retry_at = Clock::now();
  }
  replacer_.works_.push_back(this);
  if (replacer_.count(State::kEmpty) != 0) replacer_.kick();
}

Replacer::Work::~Work() {
  if (replacer_.birthplace_.is_elsewhere()) return;  // its lock may be held for ever
  std::lock_guard const lock(replacer_.mutex_);
  std::erase(replacer_.works_, this);
}

/// Once, until it has heard of it: who reads its results slowly is not told of each.
void Replacer::Work::tell() {
  if (told_.exchange(true)) return;
  queue_->expect();
  queue_->push(kNews);
}

void Replacer::wait_for_a_worker() {
  birthplace_.require_here();
  Lock lock(mutex_);
  while (working() == 0) {
    auto const patience = empty_since_ + std::min(options_.give_up_after, kForEver);
    if (count(State::kForsaken) == size_) throw_failure("none can be started any more");
    if (failed_since_ && Clock::now() >= patience) {
      throw_failure("none could be started for " + std::to_string(options_.give_up_after.count()) +
                    " ms (PoolOptions::give_up_after)");
    }
    if (failed_since_) {
      changed_.wait_until(lock, patience);
    } else {
      changed_.wait(lock);
    }
  }
}

void Replacer::throw_failure(std::string const& since) const {
  auto const& why = *last_failure_;
  throw Error(why.kind(),
              why.reason() + "; no worker of the pool's " + std::to_string(size_) +
                  " is left, and " + since,
              why.where(), why.exception_type(), why.exit());
}

std::size_t Replacer::count(State state) const {
  return static_cast<std::size_t>(std::count_if(
      places_.begin(), places_.end(), [&](Place const& place) { return place.state == state; }));
}

// ---- what the log is told ----------------------------------------------------------------------

/// Where places that cannot be filled, or could not be, are more or fewer than the log knows: a
/// line is due. A loss that is made good at once is none.
void Replacer::note_change() {
  bool const troubled =
      std::any_of(places_.begin(), places_.end(), [](auto const& place) { return place.troubled; });
  bool const news = troubled ? !told_of_trouble_ || working() != told_working_
                             : told_of_trouble_ && working() == size_;
  if (!news) {
    tell_at_ = Clock::time_point::max();
  } else if (tell_at_ == Clock::time_point::max()) {
    tell_at_ = std::max(Clock::now() + kTellAfter, told_at_ + kBetweenLines);
  }
}

void Replacer::tell_of_changes(Lock& lock) {
  auto const line = describe();
  auto const level = working() == 0 ? LogLevel::kError : LogLevel::kWarning;
  told_working_ = working();
  told_of_trouble_ = told_working_ != size_;
  told_at_ = Clock::now();
  tell_at_ = Clock::time_point::max();
  lock.unlock();
  log(level, line);
  lock.lock();
}

std::string Replacer::describe() const {
  auto const works = working();
  auto text = "a pool of " + std::string(cluster_.types()[static_cast<std::size_t>(type_)].name) +
              ": " + std::to_string(works) + " of " + std::to_string(size_) + " workers work";
  if (works == size_) return text + " again";
  auto const forsaken = count(State::kForsaken);
  text += forsaken == size_ - works ? "; the others cannot be started any more: "
                                    : "; the others cannot be started for now, and are tried again";
  if (forsaken != size_ - works) {
    if (works == 0) {
      text += " (for " + std::to_string(options_.give_up_after.count()) +
              " ms at most: PoolOptions::give_up_after)";
    }
    text += ": ";
  }
  return text + first_line(last_failure_->what());
}

}  // namespace cohort
