// Tests of kernels for each SIMD target that they are built for.
#pragma once

#include <gtest/gtest.h>
#include <hwy/highway.h>

namespace pictrieve {

/// The parameter is a set of targets, 0 for all that this machine has.
class EveryTarget : public testing::TestWithParam<int64_t> {
 protected:
  void SetUp() override {
    if (GetParam() != 0) hwy::SetSupportedTargetsForTest(GetParam());
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  void TearDown() override {
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
};

}  // namespace pictrieve
