#include <cstdlib>
#include <filesystem>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include "jobs/stats/block_reader.h"
#include "jobs/stats/discovery.h"
#include "jobs/stats/extent.h"
#include "jobs/stats/plan.h"
#include "jobs/stats/summary.h"

namespace cohort::stats {
namespace {

namespace fs = std::filesystem;

#ifdef COHORT_HAVE_LIBDEFLATE
constexpr bool kInflates = true;
#else
constexpr bool kInflates = false;
#endif

using Shape = std::vector<hsize_t>;

/// A file with one dataset, /x, of floats 0, 1, 2, ...; it goes with the test.
class BlockReaderTest : public testing::Test {
 protected:
  BlockReaderTest() {
    std::string name = (fs::temp_directory_path() / "stats-reader-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    creation_ = PropertyHandle(H5Pcreate(H5P_DATASET_CREATE), "H5Pcreate");
  }
  ~BlockReaderTest() override { fs::remove_all(folder_); }

  void write(Shape const& shape, std::function<void(hid_t dataset)> const& more = {}) {
    FileHandle const file(H5Fcreate(path().c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT),
                          "H5Fcreate");
    SpaceHandle const space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr),
                            "H5Screate_simple");
    DatasetHandle const dataset(H5Dcreate2(file.get(), "x", H5T_IEEE_F32LE, space.get(),
                                           H5P_DEFAULT, creation_.get(), H5P_DEFAULT),
                                "H5Dcreate2");
    if (more) return more(dataset.get());
    std::vector<float> values(1);
    for (hsize_t const extent : shape) values.resize(values.size() * extent);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
    check_hdf5(
        H5Dwrite(dataset.get(), H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
        "H5Dwrite");
  }

  [[nodiscard]] std::string path() const { return (folder_ / "x.h5").string(); }

  /// Reads all blocks once.
  FirstPass read(std::uint64_t piece_limit = 8 << 20) {
    auto const found = discover(path());
    EXPECT_TRUE(found.errors.empty());
    BlockPlan const plan(found.datasets.at(0));
    BlockReader reader(piece_limit);
    FirstPass pass;
    for (std::uint64_t i = 0; i < plan.size(); ++i) {
      reader.for_each_piece(plan[i], [&](Elements elements, std::uint64_t times) {
        pass.add(elements, times);
        ++pieces_;
      });
    }
    counts_ = reader.chunk_counts();
    return pass;
  }

  static void expect_first_integers(FirstPass const& pass, std::uint64_t count) {
    EXPECT_EQ(pass.extent.count, count);
    EXPECT_EQ(pass.extent.min, Number(0.0));
    EXPECT_EQ(pass.extent.max, Number(static_cast<double>(count - 1)));
    auto const mean = static_cast<double>(count - 1) / 2;
    EXPECT_EQ(pass.extent.sum.divided_by(count).head, mean);
  }

  fs::path folder_;
  PropertyHandle creation_;
  ChunkCounts counts_;
  std::size_t pieces_ = 0;
};

TEST_F(BlockReaderTest, DecodesEachChunkOnce) {
  hsize_t const chunk[2] = {300, 400};
  for (bool const shuffle : {false, true}) {
    creation_ = PropertyHandle(H5Pcreate(H5P_DATASET_CREATE), "H5Pcreate");
    check_hdf5(H5Pset_chunk(creation_.get(), 2, chunk), "H5Pset_chunk");
    if (shuffle) check_hdf5(H5Pset_shuffle(creation_.get()), "H5Pset_shuffle");
    check_hdf5(H5Pset_deflate(creation_.get(), 4), "H5Pset_deflate");
    check_hdf5(H5Pset_fletcher32(creation_.get()), "H5Pset_fletcher32");
    write({1000, 1000});
    expect_first_integers(read(), 1'000'000);
    EXPECT_EQ(counts_.own, kInflates ? 12u : 0u);
    EXPECT_EQ(counts_.by_hdf5, kInflates ? 0u : 12u);
    EXPECT_EQ(counts_.unstored, 0u);
  }
}

TEST_F(BlockReaderTest, DecodesAChunkAboveItsLimitOnce) {
  hsize_t const chunk[1] = {900'000};
  check_hdf5(H5Pset_chunk(creation_.get(), 1, chunk), "H5Pset_chunk");
  check_hdf5(H5Pset_deflate(creation_.get(), 1), "H5Pset_deflate");
  write({1'000'000});
  expect_first_integers(read(64 << 10), 1'000'000);
  EXPECT_EQ(counts_.own + counts_.by_hdf5, 2u);
  EXPECT_GE(pieces_, 20u);
}

TEST_F(BlockReaderTest, LeavesOtherFiltersToHdf5) {
  hsize_t const chunk[2] = {300, 400};
  check_hdf5(H5Pset_chunk(creation_.get(), 2, chunk), "H5Pset_chunk");
  check_hdf5(H5Pset_scaleoffset(creation_.get(), H5Z_SO_FLOAT_DSCALE, 0), "H5Pset_scaleoffset");
  write({1000, 1000});
  expect_first_integers(read(), 1'000'000);
  EXPECT_EQ(counts_.own, 0u);
  EXPECT_EQ(counts_.by_hdf5, 12u);
}

TEST_F(BlockReaderTest, GathersSmallChunksIntoPieces) {
  hsize_t const chunk[2] = {1, 7};
  check_hdf5(H5Pset_chunk(creation_.get(), 2, chunk), "H5Pset_chunk");
  write({100, 100});
  expect_first_integers(read(), 10'000);
  EXPECT_EQ(counts_.own, 1500u);
  EXPECT_EQ(pieces_, 1u);
}

TEST_F(BlockReaderTest, CountsChunksThatAreNotThereWithoutReadingThem) {
  hsize_t const chunk[2] = {10, 10};
  float const fill = 2.5F;
  check_hdf5(H5Pset_chunk(creation_.get(), 2, chunk), "H5Pset_chunk");
  check_hdf5(H5Pset_fill_value(creation_.get(), H5T_NATIVE_FLOAT, &fill), "H5Pset_fill_value");
  auto const write_one = [](hid_t dataset) {
    SpaceHandle const space(H5Dget_space(dataset), "H5Dget_space");
    hsize_t const first[2] = {95, 33};
    hsize_t const count[2] = {1, 1};
    check_hdf5(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, first, nullptr, count, nullptr),
               "H5Sselect_hyperslab");
    SpaceHandle const one(H5Screate_simple(2, count, nullptr), "H5Screate_simple");
    float const value = 9;
    check_hdf5(H5Dwrite(dataset, H5T_NATIVE_FLOAT, one.get(), space.get(), H5P_DEFAULT, &value),
               "H5Dwrite");
  };
  write({97, 95}, write_one);  // few places for chunks: each is looked for
  FirstPass pass = read();
  EXPECT_EQ(pass.extent.count, 97u * 95);
  EXPECT_EQ(pass.extent.max, Number(9.0));
  EXPECT_EQ(counts_.unstored, 99u);
  EXPECT_EQ(counts_.own, 1u);
  write({hsize_t{1} << 31, hsize_t{1} << 30}, write_one);  // many: the one is listed
  pass = read();
  EXPECT_EQ(pass.extent.count, std::uint64_t{1} << 61);
  EXPECT_EQ(pass.extent.min, Number(2.5));
  EXPECT_EQ(pass.extent.max, Number(9.0));
  EXPECT_EQ(counts_.unstored, 0u);
  EXPECT_EQ(counts_.own, 1u);
}

TEST_F(BlockReaderTest, RefusesMoreElementsThanCanBeCounted) {
  hsize_t const chunk[2] = {1024, 1024};
  check_hdf5(H5Pset_chunk(creation_.get(), 2, chunk), "H5Pset_chunk");
  write({hsize_t{1} << 32, hsize_t{1} << 32}, [](hid_t) {});
  auto const found = discover(path());
  ASSERT_EQ(found.errors.size(), 1u);
  EXPECT_EQ(found.errors[0].error, "it has 2^64 elements or more");
}

}  // namespace
}  // namespace cohort::stats
