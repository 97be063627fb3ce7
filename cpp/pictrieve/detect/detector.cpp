#include "pictrieve/detect/detector.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/detect/anchors.h"
#include "pictrieve/detect/picture_scale.h"
#include "pictrieve/detect/roi_align.h"

namespace pictrieve {
namespace {

// The numbers that torchvision's networks were trained and are tested with.
constexpr float kSmallestAnchor = 32;         // side; doubled on each level
constexpr int64_t kProposalsPerLevel = 1000;  // that are looked at
constexpr size_t kMostProposals = 1000;       // that are judged
constexpr float kProposalOverlap = 0.7F;
constexpr float kLeastProposal = 1e-3F;  // side in pixels
constexpr float kLeastDetection = 1e-2F;
constexpr BoxChange kProposalWeights{1, 1, 1, 1};
constexpr BoxChange kDetectionWeights{10, 10, 5, 5};
constexpr int kShapes = 3;
constexpr int kCoarsestMap = 3;
constexpr int kLongestSide = 1 << 14;  // whose maps take some 200 GB

struct Candidates {
  std::vector<Box> boxes;
  std::vector<float> scores;
  std::vector<int32_t> groups;

  void add(const Box& box, float score, int group, float least_side) {
    const bool counts = box.width() >= least_side && box.height() >= least_side && score >= 0;
    if (!counts) return;  // nor where a network without sense gave NaN
    boxes.push_back(box);
    scores.push_back(score);
    groups.push_back(group);
  }
};

/// Places of the `count` highest scores, highest first.
std::vector<int64_t> highest(const std::vector<float>& scores, int64_t count) {
  std::vector<int64_t> places(scores.size());
  std::iota(places.begin(), places.end(), int64_t{0});
  const auto end = places.begin() + std::min<int64_t>(count, static_cast<int64_t>(places.size()));
  std::partial_sort(places.begin(), end, places.end(),
                    [&](int64_t a, int64_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
  places.erase(end, places.end());
  return places;
}

/// Anchors lie pixel by pixel, the network's numbers shape by shape.
std::vector<float> by_anchor(const FeatureMap& objectness) {
  const int64_t pixels = objectness.height * objectness.width;
  std::vector<float> scores(static_cast<size_t>(pixels * kShapes));
  for (int64_t pixel = 0; pixel < pixels; ++pixel)
    for (int64_t shape = 0; shape < kShapes; ++shape)
      scores[static_cast<size_t>(pixel * kShapes + shape)] = objectness.values.row(shape)[pixel];
  // NaN has no place in an order.
  std::ranges::replace_if(scores, [](float score) { return std::isnan(score); }, -INFINITY);
  return scores;
}

BoxChange change_at(const FeatureMap& changes, int64_t anchor) {
  const int64_t pixel = anchor / kShapes, shape = anchor % kShapes;
  BoxChange change;
  for (int64_t i = 0; i < 4; ++i) change[static_cast<size_t>(i)] = changes.values.row(shape * 4 + i)[pixel];
  return change;
}

/// The map whose pixels suit a box of this size: 224 pixels belong to the third.
int map_of(const Box& box) {
  const float level = std::floor(4 + std::log2(std::sqrt(box.area()) / 224) + 1e-6F);
  return static_cast<int>(std::clamp(level, 2.0F, 2.0F + kCoarsestMap)) - 2;
}

void softmax(const float* scores, int count, std::vector<float>& shares) {
  const float highest_score = *std::max_element(scores, scores + count);
  shares.resize(static_cast<size_t>(count));
  float sum = 0;
  for (int i = 0; i < count; ++i) sum += shares[static_cast<size_t>(i)] = std::exp(scores[i] - highest_score);
  for (float& share : shares) share /= sum;
}

}  // namespace

Detector::Detector(std::shared_ptr<const DetectorNetwork> network, const DetectorOptions& options)
    : network_(std::move(network)), options_(options) {
  require(options.short_side >= 32 && options.long_side >= options.short_side,
          "size: expected a short side of 32 pixels or more and a longer long side, got ", options.short_side, " and ",
          options.long_side);
  require(options.long_side <= kLongestSide, "size: expected a long side of at most ", kLongestSide, " pixels, got ",
          options.long_side);
  require(options.most_detections >= 1, "max_detections: expected at least 1, got ", options.most_detections);
}

std::vector<Box> Detector::propose(const DetectorMaps& maps, int height, int width, int padded_height,
                                   int padded_width) const {
  Candidates found;
  for (size_t level = 0; level < maps.objectness.size(); ++level) {
    const FeatureMap& objectness = maps.objectness[level];
    const float size = kSmallestAnchor * static_cast<float>(1 << level);
    const std::vector<Box> boxes = anchors(objectness.height, objectness.width, padded_height / objectness.height,
                                           padded_width / objectness.width, size);
    const std::vector<float> scores = by_anchor(objectness);
    for (const int64_t anchor : highest(scores, kProposalsPerLevel)) {
      const Box box = changed_box(boxes[anchor], change_at(maps.changes[level], anchor), kProposalWeights);
      const float score = 1 / (1 + std::exp(-scores[anchor]));
      found.add(clipped_box(box, static_cast<float>(height), static_cast<float>(width)), score, static_cast<int>(level),
                kLeastProposal);
    }
  }
  std::vector<Box> proposals;
  for (const int64_t place :
       non_maximum_suppression(found.boxes, found.scores, found.groups, kProposalOverlap, kMostProposals))
    proposals.push_back(found.boxes[place]);
  return proposals;
}

Matrix<float> Detector::regions_of(const DetectorMaps& maps, const std::vector<Box>& boxes) const {
  Matrix<float> regions(static_cast<int64_t>(boxes.size()), network_->region_size());
  for (size_t i = 0; i < boxes.size(); ++i) {
    const int map = map_of(boxes[i]);
    const FeatureMap& features = maps.maps[static_cast<size_t>(map)];
    const FeatureView view{features.values.data(), features.values.rows(), features.height, features.width};
    roi_align(view, boxes[i], {.scale = 0.25F / static_cast<float>(1 << map)}, regions.row(static_cast<int64_t>(i)));
  }
  return regions;
}

std::vector<Detection> Detector::judge(const DetectorMaps& maps, const std::vector<Box>& proposals, int height,
                                       int width) const {
  Matrix<float> judged(static_cast<int64_t>(proposals.size()), int64_t{5} * classes());
  network_->judge(regions_of(maps, proposals), judged);
  Candidates found;
  std::vector<float> shares;
  for (size_t i = 0; i < proposals.size(); ++i) {
    const float* row = judged.row(static_cast<int64_t>(i));
    softmax(row, classes(), shares);
    for (int label = 1; label < classes(); ++label) {
      if (!(shares[static_cast<size_t>(label)] > options_.least_score)) continue;
      BoxChange change;
      std::copy_n(row + classes() + 4 * label, 4, change.begin());
      const Box box = changed_box(proposals[i], change, kDetectionWeights);
      found.add(clipped_box(box, static_cast<float>(height), static_cast<float>(width)),
                shares[static_cast<size_t>(label)], label, kLeastDetection);
    }
  }
  std::vector<Detection> detections;
  const auto most = static_cast<size_t>(options_.most_detections);
  for (const int64_t place :
       non_maximum_suppression(found.boxes, found.scores, found.groups, options_.most_overlap, most))
    detections.push_back({found.boxes[place], found.groups[place], found.scores[place]});
  return detections;
}

std::vector<Detection> Detector::detect(ImageView image) const {
  require(image.channels == 3 && image.height > 0 && image.width > 0, "image: expected RGB pixels, got ", image.height,
          " x ", image.width, " x ", image.channels);
  const ScaledPicture picture = scaled_picture(image, options_.short_side, options_.long_side);
  const DetectorMaps maps = network_->look(picture.pixels.data(), picture.padded_height, picture.padded_width);
  const std::vector<Box> proposals =
      propose(maps, picture.height, picture.width, picture.padded_height, picture.padded_width);
  std::vector<Detection> found = judge(maps, proposals, picture.height, picture.width);
  const float down = static_cast<float>(image.height) / static_cast<float>(picture.height);
  const float across = static_cast<float>(image.width) / static_cast<float>(picture.width);
  for (Detection& each : found)
    each.box = {each.box.x1 * across, each.box.y1 * down, each.box.x2 * across, each.box.y2 * down};
  return found;
}

}  // namespace pictrieve
