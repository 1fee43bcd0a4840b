#include "jobs/stats/walk.h"

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>
#include <hdf5.h>

#include "jobs/stats/inspect.h"

namespace cohort::stats {
namespace {

constexpr unsigned kDeepest = 1000;  // groups in groups: a call of ours for each
constexpr char kHardLink[] = "another name of";

/// An exception must not pass through HDF5's C frames.
struct Listing {
  std::vector<std::pair<std::string, int>> links;
  std::exception_ptr failure;
};

herr_t note_link(hid_t, char const* name, H5L_info_t const* info, void* listing) noexcept {
  auto& into = *static_cast<Listing*>(listing);
  try {
    into.links.emplace_back(name, static_cast<int>(info->type));
    return 0;
  } catch (...) {
    into.failure = std::current_exception();
    return -1;
  }
}

std::uint64_t address_of(hid_t object) {
#if H5_VERSION_GE(1, 12, 0)  // where H5O_info_t is another type, without an address
  H5O_info1_t info{};
#else
  H5O_info_t info{};
#endif
  check_hdf5(H5Oget_info2(object, &info, H5O_INFO_BASIC), "H5Oget_info2");
  return info.addr;
}

template <class Items>
void sort_by_name(Items& items) {
  std::stable_sort(items.begin(), items.end(),
                   [](auto const& a, auto const& b) { return a.dataset < b.dataset; });
}

}  // namespace

Walk::Walk(FileHandle file, std::string name)
    : name_(std::move(name)), root_{files_.keep(std::move(file), name_), "/"} {}

bool Walk::leads_somewhere(std::string const& path) {
  try {
    static_cast<void>(files_.resolve(root_, path));
    return true;
  } catch (std::runtime_error const&) {
    return false;
  }
}

Discovery Walk::all_of(std::string const& path) {
  follow({root_, path, path, 0, kHardLink});
  while (!external_.empty() || !soft_.empty()) {
    auto& from = external_.empty() ? soft_ : external_;
    Later const link = std::move(from.front());
    from.pop_front();
    follow(link);
  }
  sort_by_name(found_.datasets);
  sort_by_name(found_.errors);
  sort_by_name(found_.skipped);
  return std::move(found_);
}

void Walk::follow(Later const& link) {
  try {
    object({files_.resolve(link.group, link.name), link.shown, link.depth}, link.how);
  } catch (std::exception const& error) {
    fail(link.shown, error.what());
  }
}

void Walk::object(Place const& place, char const* how) {
  ObjectHandle const opened(
      H5Oopen(place.at.file->handle.get(), place.at.path.c_str(), H5P_DEFAULT),
      "it cannot be opened");
  hid_t const id = opened.get();
  H5I_type_t const type = H5Iget_type(id);
  if (type == H5I_GROUP) enter(id, place, how);
  if (type == H5I_DATASET) dataset(id, place);  // else it is a named type
}

void Walk::enter(hid_t group, Place const& place, char const* how) {
  auto const [known, first] =
      groups_.emplace(Key(place.at.file->number, address_of(group)), place.shown);
  if (!first) return skip(place.shown, fmt::format("{} the group {}", how, known->second));
  if (place.depth > kDeepest) {
    throw std::runtime_error(fmt::format("it lies below more than {} groups", kDeepest));
  }
  links(group, place);
}

void Walk::links(hid_t group, Place const& place) {
  Listing listing;
  herr_t const listed =
      H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, nullptr, &note_link, &listing);
  if (listing.failure) std::rethrow_exception(listing.failure);
  if (listed < 0) fail(place.shown, "not all of it can be listed: " + hdf5_error_text());
  if (listed >= 0 && listing.links.empty()) skip(place.shown, "an empty group");
  unsigned const depth = place.depth + 1;
  for (auto const& [name, type] : listing.links) {
    std::string const shown = below(place.shown, name);
    if (type == H5L_TYPE_SOFT) {
      soft_.push_back({place.at, name, shown, depth, "a soft link to"});
    } else if (type != H5L_TYPE_HARD) {
      external_.push_back({place.at, name, shown, depth, "an external link to"});
    } else {
      try {
        object({{place.at.file, below(place.at.path, name)}, shown, depth}, kHardLink);
      } catch (std::exception const& error) {
        fail(shown, error.what());
      }
    }
  }
}

void Walk::dataset(hid_t id, Place const& place) {
  auto const [known, first] =
      datasets_.emplace(Key(place.at.file->number, address_of(id)), Known{});
  if (!first) return list_again(known->second, place.shown);
  known->second.shown = place.shown;
  list(id, place, known->second);
}

void Walk::list(hid_t id, Place const& place, Known& known) {
  Inspection found = inspect(id, place.at.file->name);
  known.state = found.placeholder     ? Known::State::kLeftOut
                : found.parts.empty() ? Known::State::kWithoutNumbers
                                      : Known::State::kListed;
  if (found.placeholder) return;
  known.begin = found_.datasets.size();
  for (DatasetInfo& part : found.parts) {
    part.file = name_;
    part.dataset = place.shown + part.dataset;
    if (place.at.file->name != name_) part.real_file = place.at.file->name;
    if (place.at.path != part.dataset) part.real_path = place.at.path;
    found_.datasets.push_back(std::move(part));
  }
  known.end = found_.datasets.size();
  for (Skipped& other : found.others) skip(place.shown + other.dataset, other.reason);
}

/// Under another name, each of its fields.
void Walk::list_again(Known const& known, std::string const& shown) {
  std::string const text = "another name of " + known.shown;
  if (known.state == Known::State::kFailed) fail(shown, text + ", which cannot be read");
  if (known.state == Known::State::kWithoutNumbers) skip(shown, text);
  for (std::size_t i = known.begin; i < known.end; ++i) {
    DatasetInfo name = found_.datasets[i];
    name.same_as = name.dataset;
    name.dataset = shown + name.same_as.substr(known.shown.size());
    found_.datasets.push_back(std::move(name));
  }
}

void Walk::fail(std::string const& shown, std::string const& why) {
  found_.errors.push_back({name_, shown == "/" ? "" : shown, why});
}

void Walk::skip(std::string const& shown, std::string const& why) {
  found_.skipped.push_back({name_, shown == "/" ? "" : shown, why});
}

}  // namespace cohort::stats
