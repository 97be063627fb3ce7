// Several rankings of the same items made into one.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "pictrieve/base/matrix.h"
#include "pictrieve/base/parallel.h"

namespace pictrieve {

/// What one channel (an encoder, a text index, ...) found: query i has ids[offsets[i] .. offsets[i + 1]), best first,
/// and a finite score for each.
struct ChannelRankings {
  std::span<const int64_t> ids;
  std::span<const float> scores;
  std::span<const int64_t> offsets;
};

/// The value that an item has in a channel.
enum class ChannelValue {
  ReciprocalRank,  ///< 1 / (constant + rank), ranks from 1 (Cormack, Clarke and Buettcher 2009)
  ZScore,          ///< (score - mean) / standard deviation of the channel's scores for this query
  MinMax,          ///< (score - worst) / (best - worst), likewise
  Score,           ///< the score itself
};

struct FusionOptions {
  int64_t k = 10;
  ChannelValue value = ChannelValue::ReciprocalRank;
  double constant = 60;              ///< of ReciprocalRank: the larger, the less the first ranks stand out
  std::vector<double> weights = {};  ///< one for each channel
  /// Value of an item that a channel did not find. Without it 0 for ReciprocalRank, and else the lowest value that the
  /// channel gave for the query: a list is cut at its end, and what it does not name scored that at best.
  std::optional<double> missing = {};
};

/// Best first, ties by id; query i has [offsets[i], offsets[i + 1]). A contribution is weight times value, rounded to
/// float32; a score is the sum of its contributions in double, rounded once.
struct FusedRankings {
  Matrix<int64_t> ids;          ///< (1, total)
  Matrix<float> scores;         ///< (1, total)
  Matrix<float> contributions;  ///< (total, channels)
  std::vector<int64_t> offsets;
};

/// Each query has the k best of all items that any channel found for it, fewer where there are fewer. Channels have as
/// many queries as each other. Throws std::invalid_argument where a channel names an id twice for one query.
FusedRankings fuse_rankings(std::span<const ChannelRankings> channels, const FusionOptions& options,
                            const Monitor& monitor = {});

}  // namespace pictrieve
