// How many items stand ahead of each relevant one, counted while scores pass by. Private to exhaustive.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pictrieve/evaluate/score_source.h"

namespace pictrieve {

/// Who comes first among equal scores.
enum class TieRule : uint8_t {
  LowestId,
  HighestId,
  RelevantFirst,  ///< the most that a ranking could get
  RelevantLast,   ///< the least
};

/// What one thread writes into while it counts.
struct CountingSpace {
  std::vector<int32_t> buckets, near;
  std::vector<float> scores;
};

/// One query. An item counts once, at the first relevant item that it is ahead of; sums over these counts are ranks.
///
/// The range of the relevant items' scores is cut into many small buckets. Most hold none of these scores: whatever
/// falls into them is only counted. An item in one of the others is looked at: where its fast score is as near to a
/// relevant item's as rounding could move it, its exact score decides.
class AheadCounter {
 public:
  /// Bytes that a query takes while it is counted, and each of its relevant items, at most.
  static constexpr int64_t kBytes = 10000;
  static constexpr int64_t kBytesPerItem = 640;

  /// Takes the relevant items, without repetition.
  void start(const ScoreSource& source, int64_t query, std::span<const int32_t> relevant, TieRule ties);

  /// Counts `count` items from `first` on, by their fast scores.
  void count(const float* scores, int64_t first, int64_t count, CountingSpace& space);

  /// Takes an item back that has been counted or will be.
  void leave_out(int32_t item);

  /// The relevant items, best first, and their ranks from 0, after everything has been counted.
  std::span<const int32_t> items() const { return ids_; }
  std::vector<int64_t> ranks() const;

 private:
  void divide();
  int32_t bucket_of(float score) const;
  size_t first_not_above(float score, size_t bucket) const;
  bool is_near(float score, size_t at) const;
  size_t place(float score, int32_t item) const;
  bool comes_before(int32_t a, int32_t b) const { return ties_ == TieRule::HighestId ? a > b : a < b; }
  size_t size() const { return ids_.size(); }

  const ScoreSource* source_ = nullptr;
  int64_t query_ = 0;
  TieRule ties_ = TieRule::LowestId;
  float tolerance_ = 0;
  std::vector<int32_t> ids_;      ///< relevant items, best first
  std::vector<float> scores_;     ///< theirs, falling
  std::vector<int32_t> ahead_;    ///< items whose first relevant item behind them is this one; one more for none
  float top_ = 0, scale_ = 0;     ///< where bucket 0 ends; buckets per score
  std::vector<uint32_t> starts_;  ///< relevant items in buckets of better scores; one more for all
  std::vector<uint32_t> counts_;  ///< items in a bucket
  std::vector<uint8_t> looked_;   ///< 1: each item in this bucket is looked at
};

}  // namespace pictrieve
