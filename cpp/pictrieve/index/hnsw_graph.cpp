#include "pictrieve/index/hnsw_graph.h"

#include <algorithm>

#include "pictrieve/index/hnsw_links.h"
#include "pictrieve/index/hnsw_walk.h"

namespace pictrieve {
namespace {

struct BaseLinks {
  const HnswLinks& links;
  size_t count;

  std::span<const int32_t> operator()(int32_t row) const { return {links.at_base(row), count}; }
  void prefetch(int32_t row) const {
    const int32_t* first = links.at_base(row);
    for (size_t i = 0; i < count; i += 16) hwy::Prefetch(first + i);
  }
};

bool worse(Candidate a, Candidate b) { return a.key < b.key; }

/// Like walk_level, but results are allowed rows only while any row leads on. False when `budget` comparisons were not
/// enough.
bool walk_allowed(const Scorer& scorer, const Query& query, const BaseLinks& links_of, Candidate entry, int64_t ef,
                  const uint8_t* allowed, int64_t budget, WalkSpace& space) {
  SortedPool& pool = space.pool;
  auto& heap = space.heap;
  pool.reset(ef);
  space.tags.visit(entry.row);
  if (allowed[entry.row]) pool.insert(entry.key, entry.row);
  heap.assign(1, entry);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), worse);
    const Candidate best = heap.back();
    heap.pop_back();
    if (pool.full() && best.key < pool.worst()) return true;
    score_links(scorer, query, links_of(best.row), space);
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

}  // namespace

HnswGraph::HnswGraph(int m, int ef_construction, uint64_t seed)
    : links_(std::make_unique<HnswLinks>(m, seed)), ef_construction_(ef_construction) {}

HnswGraph::~HnswGraph() = default;

std::optional<std::vector<Candidate>> HnswGraph::search(const Scorer& scorer, const Query& query, int64_t ef,
                                                        const uint8_t* allowed) const {
  const HnswLinks& links = *links_;
  if (links.rows() == 0) return std::vector<Candidate>{};
  ef = std::min(ef, links.rows());  // a list longer than that would only cost memory
  const auto space = spaces_.borrow();
  Candidate entry{0, links.entry()};
  scorer.keys(query, {&entry.row, 1}, &entry.key);
  for (int level = links.max_level(); level > 0; --level) {
    space->tags.start(links.rows());
    entry = greedy_step(scorer, query, [&](int32_t row) { return links.of(row, level); }, entry, *space);
  }
  space->tags.start(links.rows());
  const BaseLinks base{links, static_cast<size_t>(links.max_links(0))};
  bool complete = true;
  if (allowed)
    complete = walk_allowed(scorer, query, base, entry, ef, allowed, links.rows() / 8 + 64 * ef, *space);
  else
    walk_level(scorer, query, base, entry, ef, *space);
  if (!complete) return std::nullopt;
  std::vector<Candidate> found;
  for (int64_t i = 0; i < space->pool.size(); ++i) found.push_back({space->pool.key(i), space->pool.row(i)});
  return found;
}

}  // namespace pictrieve
