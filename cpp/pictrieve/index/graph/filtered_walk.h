// Private: walking the base level where only some rows are wanted.
#pragma once

#include <algorithm>
#include <cstdint>

#include "pictrieve/index/graph/hnsw_walk.h"

namespace pictrieve {

/// Collects the unvisited allowed rows that `from` links to and, as long as these are few, those behind its other links
/// (two hops, as in ACORN, Patel et al., SIGMOD 2024), and their keys. Where there are none and nothing better is
/// known, the other links themselves lead on.
inline void score_allowed(Comparer& comparer, const LevelLinks& links_of, int32_t from, const uint8_t* allowed,
                          WalkSpace& space) {
  auto& rows = space.rows;
  auto& bridges = space.bridges;
  rows.clear();
  bridges.clear();
  const auto links = links_of(from);
  for (const int32_t link : links) {
    if (link < 0) break;
    if (!allowed[link]) {
      bridges.push_back(link);
      links_of.prefetch(link);
    } else if (space.tags.visit(link)) {
      rows.push_back(link);
    }
  }
  const size_t enough = links.size() * 3 / 4;  // about what a hop finds without a filter
  size_t crossed = 0;
  for (const int32_t bridge : bridges) {
    if (rows.size() >= enough) break;
    if (!space.tags.visit(bridge)) continue;
    bridges[crossed++] = bridge;
    for (const int32_t link : links_of(bridge)) {
      if (link < 0) break;
      if (allowed[link] && space.tags.visit(link)) rows.push_back(link);
    }
  }
  if (rows.empty() && !space.pool.full())
    rows.assign(bridges.begin(), bridges.begin() + static_cast<std::ptrdiff_t>(crossed));
  space.keys.resize(std::max(space.keys.size(), rows.size()));
  if (!rows.empty()) comparer.keys(rows, space.keys.data());
}

/// Like walk_level, but results are allowed rows only. False when `budget` comparisons were not enough.
inline bool walk_allowed(Comparer& comparer, const LevelLinks& links_of, std::span<const Candidate> starts, int64_t ef,
                         const uint8_t* allowed, int64_t budget, WalkSpace& space) {
  const auto worse = [](Candidate a, Candidate b) { return a.key < b.key; };
  SortedPool& pool = space.pool;
  auto& heap = space.heap;
  pool.reset(ef);
  space.tags.start(links_of.links.rows());
  heap.clear();
  for (const Candidate& start : starts) {
    if (!space.tags.visit(start.row)) continue;
    heap.push_back(start);
    std::push_heap(heap.begin(), heap.end(), worse);
    if (allowed[start.row]) pool.insert(start.key, start.row);
  }
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), worse);
    const Candidate best = heap.back();
    heap.pop_back();
    if (pool.full() && best.key < pool.worst()) return true;
    score_allowed(comparer, links_of, best.row, allowed, space);
    budget -= static_cast<int64_t>(space.rows.size());
    if (budget < 0) return false;
    for (size_t i = 0; i < space.rows.size(); ++i) {
      if (!(space.keys[i] > pool.worst())) continue;
      heap.push_back({space.keys[i], space.rows[i]});
      std::push_heap(heap.begin(), heap.end(), worse);
      if (allowed[space.rows[i]]) pool.insert(space.keys[i], space.rows[i]);
    }
  }
  return true;
}

}  // namespace pictrieve
