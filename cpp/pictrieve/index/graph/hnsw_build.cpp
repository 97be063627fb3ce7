#include "pictrieve/index/graph/hnsw_build.h"

#include <algorithm>
#include <numeric>

#include "pictrieve/index/graph/hnsw_connect.h"

namespace pictrieve {
namespace {

/// Rows of a batch are compared with all before them: on average half of this, beside the thousands of a walk.
constexpr int64_t kLargestBatch = 256;

/// Where equal rows alone filled the pool: walks again and takes only half a pool of them, so that they link to others
/// too and a search that comes upon them finds its way out.
void walk_past_equal(Comparer& comparer, const LevelLinks& links_of, Candidate entry, int64_t ef, WalkSpace& space) {
  SortedPool& pool = space.pool;
  const float equal_key = pool.key(0);
  int64_t equal = 0;
  pool.reset(ef);
  space.tags.start(links_of.links.rows());
  space.tags.visit(entry.row);
  pool.insert(entry.key, entry.row);
  for (int32_t row = pool.take_next(); row >= 0; row = pool.take_next()) {
    score_links(comparer, links_of(row), space);
    for (size_t i = 0; i < space.rows.size(); ++i)
      if (space.keys[i] != equal_key || ++equal <= ef / 2) pool.insert(space.keys[i], space.rows[i]);
  }
}

/// Adds rows to a pool, of those that are as near as the nearest only until there are `most_equal`.
void add_rows(std::span<const int32_t> rows, std::span<const float> keys, SortedPool& pool, int64_t most_equal) {
  if (rows.empty() || pool.size() == 0) return;
  const float best = std::max(pool.key(0), *std::max_element(keys.begin(), keys.begin() + std::ssize(rows)));
  int64_t equal = 0;
  while (equal < pool.size() && pool.key(equal) == best) ++equal;
  for (size_t i = 0; i < rows.size(); ++i)
    if (keys[i] != best || ++equal <= most_equal) pool.insert(keys[i], rows[i]);
}

}  // namespace

void HnswBuild::run(const Exclusively& exclusively, const Monitor& monitor) {
  const int64_t first = links_.rows(), all = source_.size();
  std::vector<int32_t> order(static_cast<size_t>(all - first));
  std::iota(order.begin(), order.end(), static_cast<int32_t>(first));
  exclusively([&] {
    journal_.start(links_);
    links_.grow(all);
  });
  // Tall rows first, so that the upper levels lead everywhere by the time the many others arrive.
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return links_.level(a) > links_.level(b); });
  const std::span<const int32_t> rows(order);
  const auto total = static_cast<int64_t>(rows.size());
  for (int64_t done = 0, size = 1; done < total; done += size) {
    // Only the first can be taller than the graph, and becomes its entry.
    size = done == 0 ? 1 : std::min({kLargestBatch, first + done, total - done});
    const Monitor rest = [&](int64_t part, int64_t) { monitor(done + part, total); };
    add_batch(rows.subspan(static_cast<size_t>(done), static_cast<size_t>(size)), exclusively,
              monitor ? rest : monitor);
  }
  connect(exclusively);
}

/// Looking at all links costs little beside adding a 64th of the rows.
void HnswBuild::connect(const Exclusively& exclusively) {
  const int64_t all = links_.rows();
  if ((all - links_.rows_connected()) * 64 < all) return;
  std::vector<int32_t> rows(static_cast<size_t>(all));
  std::iota(rows.begin(), rows.end(), 0);
  HnswConnect connect(links_, source_, rows);
  if (!connect.is_complete()) exclusively([&] { connect.complete(&journal_); });
  links_.set_rows_connected(all);
}

void HnswBuild::add_batch(std::span<const int32_t> batch, const Exclusively& exclusively, const Monitor& monitor) {
  if (links_.entry() >= 0) {
    parallel_for(
        static_cast<int64_t>(batch.size()), 4,
        [&](int64_t begin, int64_t end, const Worker& worker) {
          const auto lease = builders_.borrow();
          if (!lease->builder) lease->builder = std::make_unique<Builder>(source_);
          for (int64_t i = begin; i < end && !worker.should_stop(); ++i)
            find_neighbours(batch, static_cast<size_t>(i), *lease->builder);
        },
        monitor);
    for (const int32_t row : batch)
      for (int level = 0; level <= links_.level(row); ++level) back_links_.collect(row, level);
    back_links_.choose();
  }
  exclusively([&] {
    back_links_.apply(&journal_);
    if (const int level = links_.level(batch[0]); level > links_.max_level()) links_.set_entry(batch[0], level);
  });
}

/// Algorithm 1 of the paper. Writes the new row's own lists, which nobody reads yet.
void HnswBuild::find_neighbours(std::span<const int32_t> batch, size_t position, Builder& builder) {
  const int32_t row = batch[position];
  Comparer& comparer = *builder.comparer;
  SortedPool& pool = builder.space.pool;
  comparer.set_row(row);
  const std::span<const int32_t> before = batch.first(position);  // at least as tall
  builder.keys.resize(std::max(builder.keys.size(), before.size()));
  if (!before.empty()) comparer.keys(before, builder.keys.data());
  const int start = std::min(links_.max_level(), links_.level(row));
  Candidate entry = descend(comparer, links_, top_of(comparer, links_), start, builder.space);
  const int64_t ef = std::min<int64_t>(ef_, links_.rows());
  for (int level = start; level >= 0; --level) {
    const LevelLinks links_of{links_, level};
    walk_level(comparer, links_of, {&entry, 1}, ef, builder.space);
    if (pool.full() && pool.key(0) == pool.worst()) walk_past_equal(comparer, links_of, entry, ef, builder.space);
    if (pool.size() > 0) entry = {pool.key(0), pool.row(0)};  // keys of rows from a forged file may be NaN
    add_rows(before, builder.keys, pool, ef / 2);
    builder.chooser.start();
    for (int64_t i = 0; i < pool.size(); ++i) builder.chooser.add(pool.key(i), pool.row(i));
    const std::span<int32_t> list = links_.of(row, level);
    const auto chosen = builder.chooser.choose(row, list.size());
    std::copy(chosen.begin(), chosen.end(), list.begin());
    if (level == 0) links_.set_known_diverse(row, chosen.size());
  }
}

}  // namespace pictrieve
