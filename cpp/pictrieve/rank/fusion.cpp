#include "pictrieve/rank/fusion.h"

#include <algorithm>
#include <cmath>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

constexpr int64_t kQueriesPerPiece = 16;

/// A channel's ranking for one query.
struct Ranking {
  std::span<const int64_t> ids;
  std::span<const float> scores;
};

Ranking ranking_of(const ChannelRankings& channel, int64_t query) {
  const auto at = static_cast<size_t>(query);
  const auto first = static_cast<size_t>(channel.offsets[at]);
  const auto count = static_cast<size_t>(channel.offsets[at + 1]) - first;
  return {channel.ids.subspan(first, count), channel.scores.subspan(first, count)};
}

/// From scores to values that channels can be compared by: (score - shift) * scale.
struct Rescaling {
  double shift = 0;
  double scale = 1;
};

/// A channel whose scores are all equal says nothing about the order of its items: their values are 0.
Rescaling rescaling_of(std::span<const float> scores, ChannelValue value) {
  if (value == ChannelValue::Score || scores.empty()) return {};
  const auto [low, high] = std::ranges::minmax(scores);
  if (low == high) return {low, 0};
  if (value == ChannelValue::MinMax) return {low, 1 / (double{high} - low)};
  const auto count = static_cast<double>(scores.size());
  double mean = 0, variance = 0;
  for (const float score : scores) mean += score / count;
  for (const float score : scores) variance += (score - mean) * (score - mean) / count;
  return {mean, 1 / std::sqrt(variance)};
}

/// The value of each item, in the order of the ranking.
void fill_values(const Ranking& ranking, const FusionOptions& options, std::vector<double>& values) {
  values.resize(ranking.ids.size());
  const Rescaling rescaling = rescaling_of(ranking.scores, options.value);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = options.value == ChannelValue::ReciprocalRank ? 1 / (options.constant + static_cast<double>(i + 1))
                                                              : (ranking.scores[i] - rescaling.shift) * rescaling.scale;
}

double missing_value(const std::vector<double>& values, const FusionOptions& options) {
  if (options.missing) return *options.missing;
  if (options.value == ChannelValue::ReciprocalRank || values.empty()) return 0;
  return *std::ranges::min_element(values);
}

/// An id in a channel.
struct Mention {
  int64_t id;
  size_t channel;
  float contribution;
};

/// All items of one query. Vectors are kept from query to query for their memory.
struct Fused {
  std::vector<Mention> mentions;
  std::vector<float> absent;         ///< contribution of each channel to what it did not find
  std::vector<int64_t> ids;          ///< of the items, rising
  std::vector<float> scores;         ///< of each item
  std::vector<float> contributions;  ///< of each item from each channel
  std::vector<size_t> order;         ///< items, best first
  std::vector<double> values;
};

void require_distinct(const std::vector<Mention>& mentions, int64_t query) {
  const auto twin = std::ranges::adjacent_find(
      mentions, [](const Mention& a, const Mention& b) { return a.id == b.id && a.channel == b.channel; });
  if (twin != mentions.end())
    require(false, "results: channel ", twin->channel, " names id ", twin->id, " twice for query ", query,
            "; an id may stand once in a ranking");
}

void gather(std::span<const ChannelRankings> channels, int64_t query, const FusionOptions& options, Fused& fused) {
  fused.mentions.clear();
  fused.absent.resize(channels.size());
  for (size_t channel = 0; channel < channels.size(); ++channel) {
    const Ranking ranking = ranking_of(channels[channel], query);
    const double weight = options.weights[channel];
    fill_values(ranking, options, fused.values);
    fused.absent[channel] = static_cast<float>(weight * missing_value(fused.values, options));
    for (size_t i = 0; i < ranking.ids.size(); ++i)
      fused.mentions.push_back({ranking.ids[i], channel, static_cast<float>(weight * fused.values[i])});
  }
  std::ranges::sort(fused.mentions, [](const Mention& a, const Mention& b) {
    return a.id != b.id ? a.id < b.id : a.channel < b.channel;
  });
  require_distinct(fused.mentions, query);
}

/// Fills ids, scores and contributions from the sorted mentions.
void add_up(Fused& fused) {
  fused.ids.clear();
  fused.scores.clear();
  fused.contributions.clear();
  const size_t channels = fused.absent.size();
  for (size_t i = 0; i < fused.mentions.size();) {
    const int64_t id = fused.mentions[i].id;
    const size_t row = fused.contributions.size();
    fused.contributions.insert(fused.contributions.end(), fused.absent.begin(), fused.absent.end());
    for (; i < fused.mentions.size() && fused.mentions[i].id == id; ++i)
      fused.contributions[row + fused.mentions[i].channel] = fused.mentions[i].contribution;
    double sum = 0;
    for (size_t channel = 0; channel < channels; ++channel) sum += fused.contributions[row + channel];
    fused.ids.push_back(id);
    fused.scores.push_back(static_cast<float>(sum));
  }
}

/// Fills `order` with the k best. Ids rise with the place, so a tie by id is one by place.
void select(int64_t k, Fused& fused) {
  fused.order.resize(fused.ids.size());
  for (size_t i = 0; i < fused.order.size(); ++i) fused.order[i] = i;
  const auto best = std::min<size_t>(static_cast<size_t>(k), fused.order.size());
  std::partial_sort(fused.order.begin(), fused.order.begin() + static_cast<int64_t>(best), fused.order.end(),
                    [&fused](size_t a, size_t b) {
                      return fused.scores[a] != fused.scores[b] ? fused.scores[a] > fused.scores[b] : a < b;
                    });
  fused.order.resize(best);
}

/// What is kept of a query.
struct Chosen {
  std::vector<int64_t> ids;
  std::vector<float> scores;
  std::vector<float> contributions;
};

Chosen chosen_of(const Fused& fused) {
  Chosen chosen;
  const size_t channels = fused.absent.size();
  for (const size_t item : fused.order) {
    chosen.ids.push_back(fused.ids[item]);
    chosen.scores.push_back(fused.scores[item]);
    const auto row = fused.contributions.begin() + static_cast<int64_t>(item * channels);
    chosen.contributions.insert(chosen.contributions.end(), row, row + static_cast<int64_t>(channels));
  }
  return chosen;
}

FusedRankings join(const std::vector<Chosen>& queries, size_t channels) {
  FusedRankings result;
  result.offsets.assign(1, 0);
  for (const Chosen& chosen : queries)
    result.offsets.push_back(result.offsets.back() + static_cast<int64_t>(chosen.ids.size()));
  const int64_t total = result.offsets.back();
  result.ids = Matrix<int64_t>(1, total);
  result.scores = Matrix<float>(1, total);
  result.contributions = Matrix<float>(total, static_cast<int64_t>(channels));
  for (size_t i = 0; i < queries.size(); ++i) {
    std::ranges::copy(queries[i].ids, result.ids.data() + result.offsets[i]);
    std::ranges::copy(queries[i].scores, result.scores.data() + result.offsets[i]);
    std::ranges::copy(queries[i].contributions, result.contributions.row(result.offsets[i]));
  }
  return result;
}

void require_sound(std::span<const ChannelRankings> channels, const FusionOptions& options) {
  require(options.k > 0, "k: expected at least 1, got ", options.k);
  require(!channels.empty(), "results: expected at least one channel, got none");
  require(options.weights.size() == channels.size(), "weights: expected one for each of ", channels.size(),
          " channels, got ", options.weights.size());
  for (const double weight : options.weights)
    require(std::isfinite(weight) && weight >= 0, "weights: expected numbers from 0, got ", weight,
            "; to count against what a channel finds, negate its query");
  require(std::isfinite(options.constant) && options.constant >= 0, "constant: expected a number from 0, got ",
          options.constant);
  require(std::isfinite(options.missing.value_or(0)), "missing: expected a finite number, got ",
          options.missing.value_or(0));
  for (const ChannelRankings& channel : channels)
    require(channel.offsets.size() == channels[0].offsets.size(), "results: expected ", channels[0].offsets.size() - 1,
            " queries in every channel as in the first, got ", channel.offsets.size() - 1);
}

}  // namespace

FusedRankings fuse_rankings(std::span<const ChannelRankings> channels, const FusionOptions& options,
                            const Monitor& monitor) {
  require_sound(channels, options);
  std::vector<Chosen> queries(channels[0].offsets.size() - 1);
  const auto body = [&](int64_t begin, int64_t end, Worker worker) {
    Fused fused;
    for (int64_t query = begin; query < end && !worker.should_stop(); ++query) {
      gather(channels, query, options, fused);
      add_up(fused);
      select(options.k, fused);
      queries[static_cast<size_t>(query)] = chosen_of(fused);
    }
  };
  parallel_for(static_cast<int64_t>(queries.size()), kQueriesPerPiece, body, monitor);
  return join(queries, channels.size());
}

}  // namespace pictrieve
