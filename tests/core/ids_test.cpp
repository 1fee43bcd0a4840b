#include "core/ids.h"

#include <gtest/gtest.h>

namespace cohort {
namespace {

TEST(WorkerId, OfTheTopMasterIsItsName) {
  EXPECT_TRUE(WorkerId().is_master());
  EXPECT_EQ(WorkerId().to_string(), "master");
}

TEST(WorkerId, OfAWorkerIsItsPlace) {
  EXPECT_FALSE(WorkerId{2}.is_master());
  EXPECT_EQ(WorkerId{2}.to_string(), "2");
}

TEST(WorkerId, OfAWorkersWorkerBeginsWithItsMasters) {
  auto const id = WorkerId().child(2).child(1);
  EXPECT_EQ(id.to_string(), "2.1");
  EXPECT_EQ(id, (WorkerId{2, 1}));
}

TEST(WorkerId, OfAChildLeavesItsMastersUnchanged) {
  WorkerId const master{7};
  static_cast<void>(master.child(1));
  EXPECT_EQ(master.to_string(), "7");
}

TEST(WorkerId, IsOrderedByNumberAndNotByText) {
  EXPECT_LT(WorkerId{2}, WorkerId{10});
  EXPECT_LT((WorkerId{2}), (WorkerId{2, 1}));
  EXPECT_LT((WorkerId{2, 9}), (WorkerId{3}));
}

}  // namespace
}  // namespace cohort
