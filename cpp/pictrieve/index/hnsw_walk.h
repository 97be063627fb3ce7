// Private: walking a graph level, as searching and building both do.
#pragma once

#include <hwy/base.h>
#include <hwy/cache_control.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "pictrieve/index/candidates.h"
#include "pictrieve/index/scorer.h"

namespace pictrieve {

/// Which rows a walk has seen, forgotten in one step.
class VisitedTags {
 public:
  void start(int64_t rows) {
    if (tags_.size() < static_cast<size_t>(rows)) tags_.resize(static_cast<size_t>(rows), 0);
    if (++current_ != 0) return;
    std::fill(tags_.begin(), tags_.end(), uint8_t{0});
    current_ = 1;
  }

  /// True at the first visit.
  bool visit(int32_t row) {
    uint8_t& tag = tags_[static_cast<size_t>(row)];
    const bool first = tag != current_;
    tag = current_;
    return first;
  }

 private:
  std::vector<uint8_t> tags_;
  uint8_t current_ = 0;
};

/// What one thread needs to walk.
struct WalkSpace {
  VisitedTags tags;
  SortedPool pool;
  std::vector<Candidate> heap;
  std::vector<int32_t> rows;
  std::vector<float> keys;
  std::vector<int32_t> links;
};

inline void prefetch_row(const Scorer& scorer, int32_t row) {
  constexpr int64_t kLines = 4;  // the kernel asks for the rest while it is busy with the rows before
  const float* values = scorer.base + row * scorer.dim;
  for (int64_t i = 0; i < std::min<int64_t>(scorer.dim, kLines * 16); i += 16) hwy::Prefetch(values + i);
}

/// Collects the unvisited rows among `links` (which end at -1) and their keys.
inline void score_links(const Scorer& scorer, const Query& query, std::span<const int32_t> links, WalkSpace& space) {
  space.rows.resize(links.size());
  size_t count = 0;
  for (const int32_t link : links) {
    if (link < 0) break;
    if (!space.tags.visit(link)) continue;
    if (count < 4) prefetch_row(scorer, link);
    space.rows[count++] = link;
  }
  space.rows.resize(count);
  space.keys.resize(std::max(space.keys.size(), count));
  if (count > 0) scorer.keys(query, space.rows, space.keys.data());
}

/// Steps to the best neighbour until none is better. `links_of(row)` gives the links of a level.
template <typename LinksOf>
Candidate greedy_step(const Scorer& scorer, const Query& query, const LinksOf& links_of, Candidate nearest,
                      WalkSpace& space) {
  for (int32_t from = -1; from != nearest.row;) {
    from = nearest.row;
    score_links(scorer, query, links_of(from), space);
    for (size_t i = 0; i < space.rows.size(); ++i)
      if (space.keys[i] > nearest.key) nearest = {space.keys[i], space.rows[i]};
  }
  return nearest;
}

/// Fills the space's pool with the best rows reachable from `entry` (Algorithm 2 of the paper, with one sorted list for
/// candidates and results: a candidate that falls off the end would end the search anyway).
template <typename LinksOf>
void walk_level(const Scorer& scorer, const Query& query, const LinksOf& links_of, Candidate entry, int64_t ef,
                WalkSpace& space) {
  SortedPool& pool = space.pool;
  pool.reset(ef);
  space.tags.visit(entry.row);
  pool.insert(entry.key, entry.row);
  for (int32_t row = pool.take_next(); row >= 0; row = pool.take_next()) {
    const auto links = links_of(row);
    if (const int32_t next = pool.peek_next(); next >= 0) links_of.prefetch(next);
    score_links(scorer, query, links, space);
    for (size_t i = 0; i < space.rows.size(); ++i) pool.insert(space.keys[i], space.rows[i]);
  }
}

}  // namespace pictrieve
