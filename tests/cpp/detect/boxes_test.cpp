#include "pictrieve/detect/boxes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "pictrieve/detect/anchors.h"

namespace pictrieve {
namespace {

using Places = std::vector<int64_t>;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr size_t kAll = 1000;

void expect_box(const Box& box, float x1, float y1, float x2, float y2) {
  EXPECT_FLOAT_EQ(box.x1, x1);
  EXPECT_FLOAT_EQ(box.y1, y1);
  EXPECT_FLOAT_EQ(box.x2, x2);
  EXPECT_FLOAT_EQ(box.y2, y2);
}

TEST(Boxes, MoveAndGrowFromTheirCentre) {
  const Box box{10, 20, 30, 60};
  expect_box(changed_box(box, {0, 0, 0, 0}, {1, 1, 1, 1}), 10, 20, 30, 60);
  expect_box(changed_box(box, {1, -0.5F, 0, 0}, {2, 1, 1, 1}), 20, 0, 40, 40);
  expect_box(changed_box(box, {0, 0, std::log(2.0F), 0}, {1, 1, 1, 1}), 0, 20, 40, 60);
  EXPECT_FLOAT_EQ(changed_box(box, {0, 0, 100, INFINITY}, {1, 1, 1, 1}).width(), 20 * 1000.0F / 16);
}

TEST(Boxes, AreClippedToThePicture) {
  expect_box(clipped_box({-5, 2, 30, 40}, 20, 25), 0, 2, 25, 20);
  expect_box(clipped_box({40, 50, 60, 70}, 20, 25), 25, 20, 25, 20);
}

TEST(Boxes, OverlapByTheShareOfTheirUnion) {
  EXPECT_FLOAT_EQ(overlap({0, 0, 10, 10}, {5, 0, 15, 10}), 50.0F / 150);
  EXPECT_EQ(overlap({0, 0, 10, 10}, {10, 0, 20, 10}), 0);
  EXPECT_EQ(overlap({3, 3, 3, 9}, {3, 3, 3, 9}), 0);
}

TEST(Suppression, KeepsTheBetterOfOverlappingBoxesOfAGroup) {
  const std::vector<Box> boxes{{0, 0, 10, 10}, {1, 0, 11, 10}, {0, 0, 10, 10}, {50, 50, 60, 60}};
  const std::vector<float> scores{0.5F, 0.9F, 0.4F, 0.1F};
  const std::vector<int32_t> groups{1, 1, 2, 1};
  EXPECT_EQ(non_maximum_suppression(boxes, scores, groups, 0.5F, kAll), (Places{1, 2, 3}));
  EXPECT_EQ(non_maximum_suppression(boxes, scores, groups, 0.5F, 2), (Places{1, 2}));
  EXPECT_EQ(non_maximum_suppression(boxes, scores, groups, 0.5F, 0), Places{});
  EXPECT_EQ(non_maximum_suppression(boxes, scores, groups, 0.95F, kAll), (Places{1, 0, 2, 3}));
  EXPECT_EQ(non_maximum_suppression({}, {}, {}, 0.5F, kAll), Places{});
}

TEST(Suppression, TakesEqualScoresInTheirOrder) {
  const std::vector<Box> boxes{{0, 0, 9, 9}, {20, 0, 29, 9}, {0, 0, 9, 9}};
  const std::vector<int32_t> groups(3, 0);
  EXPECT_EQ(non_maximum_suppression(boxes, std::vector<float>(3, 0.5F), groups, 0.5F, kAll), (Places{0, 1}));
}

/// A comparison that calls NaN equal to everything has no order, and sorting may leave good boxes behind it.
TEST(Suppression, PutsNanBehindEveryScore) {
  constexpr int kCount = 500;
  std::mt19937 random(3);
  std::vector<Box> boxes;
  std::vector<float> scores;
  for (int i = 0; i < kCount; ++i) {
    const auto x = static_cast<float>(20 * i);
    boxes.push_back({x, 0, x + 10, 10});
    scores.push_back(random() % 3 == 0 ? kNan : static_cast<float>(random() % 50) - 25);
  }
  const Places kept = non_maximum_suppression(boxes, scores, std::vector<int32_t>(kCount, 0), 0.5F, kAll);
  ASSERT_EQ(kept.size(), boxes.size());
  for (size_t i = 1; i < kept.size(); ++i) {
    const float before = scores[kept[i - 1]], here = scores[kept[i]];
    const bool in_order = std::isnan(here) ? !std::isnan(before) || kept[i - 1] < kept[i] : before >= here;
    EXPECT_TRUE(in_order) << before << " before " << here;
  }
}

TEST(Anchors, HaveOneAreaAndThreeShapesAtEachPixel) {
  const std::vector<Box> boxes = anchors(2, 3, 8, 4, 32);
  ASSERT_EQ(boxes.size(), 2U * 3 * 3);
  expect_box(boxes[0], -23, -11, 23, 11);  // twice as wide as high
  expect_box(boxes[1], -16, -16, 16, 16);
  expect_box(boxes[2], -11, -23, 11, 23);
  expect_box(boxes[3 + 1], 4 - 16, -16, 4 + 16, 16);      // the next column
  expect_box(boxes[3 * 3 + 1], -16, 8 - 16, 16, 8 + 16);  // the next row
}

}  // namespace
}  // namespace pictrieve
