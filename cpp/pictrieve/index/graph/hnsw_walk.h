// Private: walking a graph level, as searching and building both do.
#pragma once

#include <hwy/base.h>
#include <hwy/cache_control.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "pictrieve/index/graph/hnsw_links.h"
#include "pictrieve/index/graph/sorted_pool.h"
#include "pictrieve/index/rows/rows.h"

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
  std::vector<int32_t> bridges;
  std::vector<float> keys;
};

/// The links of one level.
struct LevelLinks {
  const HnswLinks& links;
  int level;

  std::span<const int32_t> operator()(int32_t row) const { return links.of(row, level); }
  void prefetch(int32_t row) const {
    const auto list = links.of(row, level);
    for (size_t i = 0; i < list.size(); i += 16) hwy::Prefetch(list.data() + i);
  }
};

/// Collects the unvisited rows among `links` (which end at -1) and their keys.
inline void score_links(Comparer& comparer, std::span<const int32_t> links, WalkSpace& space) {
  space.rows.resize(links.size());
  size_t count = 0;
  for (const int32_t link : links) {
    if (link < 0) break;
    if (!space.tags.visit(link)) continue;
    if (count < 4) comparer.prefetch(link);
    space.rows[count++] = link;
  }
  space.rows.resize(count);
  space.keys.resize(std::max(space.keys.size(), count));
  if (count > 0) comparer.keys(space.rows, space.keys.data());
}

/// Steps to the best neighbour until none is better.
inline Candidate greedy_step(Comparer& comparer, const LevelLinks& links_of, Candidate nearest, WalkSpace& space) {
  space.tags.start(links_of.links.rows());
  for (int32_t from = -1; from != nearest.row;) {
    from = nearest.row;
    score_links(comparer, links_of(from), space);
    for (size_t i = 0; i < space.rows.size(); ++i)
      if (space.keys[i] > nearest.key) nearest = {space.keys[i], space.rows[i]};
  }
  return nearest;
}

/// The row where all searches start.
inline Candidate top_of(Comparer& comparer, const HnswLinks& links) {
  Candidate top{0, links.entry()};
  comparer.keys({&top.row, 1}, &top.key);
  return top;
}

/// Steps from the top down to `level`, without looking at that level.
inline Candidate descend(Comparer& comparer, const HnswLinks& links, Candidate top, int level, WalkSpace& space) {
  for (int above = links.max_level(); above > level; --above)
    top = greedy_step(comparer, LevelLinks{links, above}, top, space);
  return top;
}

/// Fills the space's pool with the best rows reachable from `starts` (Algorithm 2 of the paper, with one sorted list
/// for candidates and results: a candidate that falls off the end would end the search anyway).
inline void walk_level(Comparer& comparer, const LevelLinks& links_of, std::span<const Candidate> starts, int64_t ef,
                       WalkSpace& space) {
  SortedPool& pool = space.pool;
  pool.reset(ef);
  space.tags.start(links_of.links.rows());
  for (const Candidate& start : starts)
    if (space.tags.visit(start.row)) pool.insert(start.key, start.row);
  for (int32_t row = pool.take_next(); row >= 0; row = pool.take_next()) {
    const auto links = links_of(row);
    if (const int32_t next = pool.peek_next(); next >= 0) links_of.prefetch(next);
    score_links(comparer, links, space);
    for (size_t i = 0; i < space.rows.size(); ++i) pool.insert(space.keys[i], space.rows[i]);
  }
}

}  // namespace pictrieve
