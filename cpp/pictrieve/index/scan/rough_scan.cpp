#include "pictrieve/index/scan/rough_scan.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace pictrieve {
namespace {

constexpr int64_t kFewestQueries = 16;
constexpr int64_t kChunk = 256;      // rows whose codes are in the second-level cache for all of the queries
constexpr int64_t kWorthOneOf = 32;  // rows: comparing with one anywhere costs as much as BLAS with so many in order
constexpr int64_t kWorthOneWanted = 50'000;  // products of a query: so many take as long as finding one row of the best
constexpr size_t kFirstLimit = 256;          // candidates of a query
constexpr float kUnknown = std::numeric_limits<float>::quiet_NaN();

}  // namespace

RoughScan::RoughScan(const FloatRows& rows, const RoughRows& rough, const RoughKernel& kernel,
                     const Selection& selection, std::span<const Query> queries, Wanted wanted)
    : rows_(rows),
      rough_(rough),
      kernel_(kernel),
      selection_(selection),
      queries_(queries),
      wanted_{std::min(wanted.count, selection.count), wanted.min_key},
      comparer_(rows.comparer()),
      packed_(rows, rough, kernel.query_limit, queries),
      kept_(queries.size()),
      limits_(queries.size(), std::max(kFirstLimit, 4 * static_cast<size_t>(wanted_.count))),
      products_(kTileRows * kTileQueries),
      hits_(kTileRows * kTileQueries) {
  for (size_t q = 0; q < queries.size(); ++q) {
    const KeySlack slack = rows.slack(queries[q]);
    packed_.raise_floor(q, CandidateBuffer(0, wanted.min_key, slack.absolute, slack.relative).floor());
  }
}

bool RoughScan::visit_rows(int64_t begin, int64_t end, const Worker& worker) {
  const int64_t early = std::max<int64_t>(2 * kChunk, 8 * wanted_.count);  // rows that show whether bounds exclude any
  const int64_t step = std::max((end - begin) / 16, early);
  for (int64_t first = begin, stop = begin + early; first < end; stop += step) {
    stop = std::min(stop, end);
    for (; first < stop && !worker.should_stop(); first += kChunk) visit_chunk(first, std::min(stop, first + kChunk));
    if (worker.should_stop()) return true;
    first = stop;
    if (!keeps_at_most(stop - begin <= early ? early / 2 : (end - begin) / kWorthOneOf)) return false;
  }
  return true;
}

void RoughScan::visit_chunk(int64_t begin, int64_t end) {
  constexpr int64_t kGroups = kTileQueries / kGroup;
  for (int64_t group = 0; group < packed_.groups(); group += kGroups) {
    const int64_t groups = std::min(kGroups, packed_.groups() - group);
    for (int64_t first = begin; first < end; first += kTileRows) {
      const int64_t count = std::min(kTileRows, end - first);
      kernel_.products({rough_.codes(first), count, rough_.width(), packed_.codes(group), groups, packed_.start(group)},
                       products_.data());
      const int64_t found = rough_hits(products_.data(), rough_.rows() + first, count, packed_.lanes(group),
                                       groups * kGroup, hits_.data());
      for (int64_t i = 0; i < found; ++i) {
        const RoughHit& hit = hits_[static_cast<size_t>(i)];
        const auto query = static_cast<size_t>(group * kGroup + hit.query);
        const auto row = static_cast<int32_t>(first + hit.row);
        if (hit.bound < packed_.floor(query) || !selection_.allows(row)) continue;
        kept_[query].push_back({hit.bound, row, kUnknown});
        if (kept_[query].size() >= limits_[query]) prune(query);
      }
    }
  }
}

bool RoughScan::keeps_at_most(int64_t rows_of_a_query) {
  const size_t most = static_cast<size_t>(rows_of_a_query) * queries_.size();
  const auto total = [this] {
    size_t sum = 0;
    for (const auto& kept : kept_) sum += kept.size();
    return sum;
  };
  if (total() <= most) return true;
  for (size_t q = 0; q < kept_.size(); ++q) prune(q);
  return total() <= most;
}

/// The keys of those with the best bounds are a floor for the others'.
void RoughScan::prune(size_t query) {
  auto& kept = kept_[query];
  const auto wanted = static_cast<size_t>(wanted_.count);
  if (kept.size() > wanted && wanted > 0) {
    const auto last = kept.begin() + wanted_.count - 1;
    std::nth_element(kept.begin(), last, kept.end(), [](const auto& a, const auto& b) { return a.bound > b.bound; });
    const std::span best(kept.data(), wanted);
    compare(query, best);
    float least = best[0].key;
    for (const RoughCandidate& candidate : best) least = std::min(least, candidate.key);
    const KeySlack slack = rows_.slack(queries_[query]);
    packed_.raise_floor(query, CandidateBuffer(0, least, slack.absolute, slack.relative).floor());
    std::erase_if(kept, [floor = packed_.floor(query)](const auto& candidate) { return candidate.bound < floor; });
  }
  limits_[query] = std::max(limits_[query], 2 * kept.size());
}

void RoughScan::compare(size_t query, std::span<RoughCandidate> candidates) {
  numbers_.clear();
  for (const RoughCandidate& candidate : candidates)
    if (std::isnan(candidate.key)) numbers_.push_back(candidate.row);
  if (numbers_.empty()) return;
  keys_.resize(numbers_.size());
  comparer_->set_query(queries_[query]);
  comparer_->keys(numbers_, keys_.data());
  size_t next = 0;
  for (RoughCandidate& candidate : candidates)
    if (std::isnan(candidate.key)) candidate.key = keys_[next++];
}

std::vector<CandidateBuffer> RoughScan::finish() {
  std::vector<CandidateBuffer> buffers;
  for (size_t q = 0; q < queries_.size(); ++q) {
    prune(q);
    compare(q, kept_[q]);
    const KeySlack slack = rows_.slack(queries_[q]);
    CandidateBuffer& buffer = buffers.emplace_back(wanted_.count, wanted_.min_key, slack.absolute, slack.relative);
    for (const RoughCandidate& candidate : kept_[q]) buffer.push(candidate.key, candidate.row);
    kept_[q] = {};
  }
  return buffers;
}

const RoughRows* rough_rows(const Rows& rows, int64_t queries, const Wanted& wanted, const Monitor& monitor) {
  const auto* floats = queries >= kFewestQueries ? dynamic_cast<const FloatRows*>(&rows) : nullptr;
  if (!floats || wanted.count > rows.size() / (2 * kWorthOneOf)) return nullptr;
  if (wanted.count * kWorthOneWanted > rows.size() * floats->dim()) return nullptr;
  return floats->rough(queries, monitor);
}

}  // namespace pictrieve
