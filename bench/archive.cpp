// L9: {int64, string(32), vector<double>(16)} to bytes in a reused buffer and back into a fresh
// object. The limit does the same by hand with memcpy and checks each length.
#include "core/archive.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "bench/measure.h"

namespace {

struct Record {
  std::int64_t number = 0;
  std::string text{};
  std::vector<double> values{};

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& number& text& values;
  }
};

constexpr int kRoundTrips = 2'000;  // in one iteration: short, so that few are interrupted

Record sample_record() {
  return {.number = 42, .text = std::string(32, 'x'), .values = std::vector<double>(16, 1.5)};
}

// ---- by hand -----------------------------------------------------------------------------------

std::size_t encode_by_hand(Record const& record, std::vector<std::byte>& buffer) {
  std::uint64_t const text_size = record.text.size();
  std::uint64_t const value_count = record.values.size();
  auto const value_bytes = value_count * sizeof(double);
  auto const total = 3 * sizeof(std::uint64_t) + text_size + value_bytes;
  if (buffer.size() < total) buffer.resize(total);
  auto* at = buffer.data();
  auto const put = [&](void const* data, std::size_t size) {
    std::memcpy(at, data, size);
    at += size;
  };
  put(&record.number, sizeof record.number);
  put(&text_size, sizeof text_size);
  put(record.text.data(), text_size);
  put(&value_count, sizeof value_count);
  put(record.values.data(), value_bytes);
  return total;
}

Record decode_by_hand(std::byte const* at, std::size_t left) {
  auto const take = [&](std::size_t size) {
    if (size > left) std::abort();
    left -= size;
    return std::exchange(at, at + size);
  };
  auto const take_count = [&] {
    std::uint64_t count = 0;
    std::memcpy(&count, take(sizeof count), sizeof count);
    return static_cast<std::size_t>(count);
  };
  Record record;
  std::memcpy(&record.number, take(sizeof record.number), sizeof record.number);
  auto const text_size = take_count();
  record.text.assign(reinterpret_cast<char const*>(take(text_size)), text_size);
  auto const value_count = take_count();
  record.values.resize(value_count);
  std::memcpy(record.values.data(), take(value_count * sizeof(double)),
              value_count * sizeof(double));
  return record;
}

// ---- both --------------------------------------------------------------------------------------

template <class RoundTrip>
void run(benchmark::State& state, RoundTrip&& round_trip) {
  bench::Samples samples(static_cast<std::size_t>(state.max_iterations));
  auto const record = sample_record();
  for (auto _ : state) {
    samples.time(state, [&] {
      for (int i = 0; i < kRoundTrips; ++i) {
        benchmark::DoNotOptimize(record);
        auto const back = round_trip(record);
        benchmark::DoNotOptimize(back);
      }
    });
  }
  state.counters["ns"] = samples.percentile(0.5) * 1e9 / kRoundTrips;
}

void run_raw(benchmark::State& state) {
  std::vector<std::byte> buffer;
  run(state, [&](Record const& record) {
    auto const size = encode_by_hand(record, buffer);
    benchmark::ClobberMemory();
    return decode_by_hand(buffer.data(), size);
  });
}

void run_cohort(benchmark::State& state) {
  cohort::Message message;
  run(state, [&](Record const& record) {
    message.clear();
    cohort::encode(message, record);
    benchmark::ClobberMemory();
    return cohort::decode<Record>({message.bytes().data(), message.bytes().size()});
  });
}

}  // namespace

int main(int argc, char** argv) {
  bench::register_in_turn("L9/archive", {.repetitions = 15, .iterations = 100}, &run_raw,
                          &run_cohort);
  return bench::run_registered(argc, argv);
}
