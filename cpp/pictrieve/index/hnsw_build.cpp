#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <thread>

#include "pictrieve/base/pool.h"
#include "pictrieve/index/hnsw_graph.h"
#include "pictrieve/index/hnsw_links.h"
#include "pictrieve/index/hnsw_walk.h"

namespace pictrieve {
namespace {

/// A lock of one byte a row, held for the time of one list.
class RowLocks {
 public:
  explicit RowLocks(int64_t rows) : locks_(static_cast<size_t>(rows)) {}

  class Held {
   public:
    explicit Held(std::atomic<bool>& lock) : lock_(lock) {
      while (lock_.exchange(true, std::memory_order_acquire)) std::this_thread::yield();
    }
    ~Held() { lock_.store(false, std::memory_order_release); }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

   private:
    std::atomic<bool>& lock_;
  };

  Held hold(int32_t row) { return Held(locks_[static_cast<size_t>(row)]); }

 private:
  std::vector<std::atomic<bool>> locks_;
};

/// Copies a list while its row is locked: other threads add links meanwhile.
struct LockedLinks {
  HnswLinks& links;
  RowLocks& locks;
  int level;
  std::vector<int32_t>& copy;

  std::span<const int32_t> operator()(int32_t row) const {
    const auto held = locks.hold(row);
    const auto list = links.of(row, level);
    copy.assign(list.begin(), list.end());
    return copy;
  }
  void prefetch(int32_t row) const { hwy::Prefetch(links.of(row, level).data()); }
};

/// What a thread needs to insert rows, and what undoes its changes.
struct Builder {
  WalkSpace space;
  std::vector<Candidate> candidates;
  std::vector<int32_t> kept;
  std::vector<int32_t> rows;
  std::vector<float> keys;
  std::vector<std::pair<int32_t, std::vector<int32_t>>> journal;  ///< lists of older rows as they were
};

constexpr int64_t kFewRows = 1000;

class Construction {
 public:
  Construction(HnswLinks& links, const Scorer& scorer, int ef_construction)
      : links_(links),
        scorer_(scorer),
        ef_(ef_construction),
        old_rows_(static_cast<int32_t>(links.rows())),
        old_entry_(links.entry()),
        old_top_(links.max_level()) {}

  void run(int64_t rows, const Monitor& monitor);

 private:
  void prepare(int64_t rows);
  void insert_all(const Monitor& monitor);
  void insert(int32_t row, Builder& builder);
  void link(int32_t from, int32_t to, int level, Builder& builder);
  void keep_diverse(int32_t row, size_t count, Builder& builder) const;
  bool is_diverse(Candidate candidate, const std::vector<int32_t>& kept) const;
  void roll_back();

  HnswLinks& links_;
  const Scorer& scorer_;
  int ef_;
  int32_t old_rows_;
  int32_t old_entry_;
  int old_top_;
  std::unique_ptr<RowLocks> locks_;
  std::vector<uint8_t> journaled_;
  std::vector<int32_t> order_;
  Pool<Builder> builders_;
};

void Construction::run(int64_t rows, const Monitor& monitor) {
  try {
    prepare(rows);
    insert_all(monitor);
  } catch (...) {
    roll_back();
    throw;
  }
}

void Construction::prepare(int64_t rows) {
  links_.grow(rows);
  ef_ = static_cast<int>(std::min<int64_t>(ef_, rows));
  locks_ = std::make_unique<RowLocks>(rows);
  journaled_.resize(static_cast<size_t>(old_rows_), 0);
  // Tall rows first, so that the upper levels lead everywhere by the time the many others arrive.
  order_.resize(static_cast<size_t>(rows - old_rows_));
  std::iota(order_.begin(), order_.end(), old_rows_);
  std::stable_sort(order_.begin(), order_.end(),
                   [&](int32_t a, int32_t b) { return links_.level(a) > links_.level(b); });
}

void Construction::insert_all(const Monitor& monitor) {
  // Only the first can be taller than the graph: the entry stays where it is for all threads after it.
  insert(order_[0], *builders_.borrow());
  if (links_.level(order_[0]) > links_.max_level()) links_.set_entry(order_[0], links_.level(order_[0]));
  // Rows that are linked at the same moment do not see each other: few rows, which would feel it, go one by one.
  const auto left = static_cast<int64_t>(order_.size()) - 1;
  parallel_for(
      left, left < kFewRows ? left : 16,
      [&](int64_t begin, int64_t end, const Worker& worker) {
        const auto builder = builders_.borrow();
        for (int64_t i = begin; i < end && !worker.should_stop(); ++i)
          insert(order_[static_cast<size_t>(i) + 1], *builder);
      },
      monitor);
}

/// Algorithm 1 of the paper.
void Construction::insert(int32_t row, Builder& builder) {
  if (links_.entry() < 0) return;
  const Query query = scorer_.row(row);
  WalkSpace& space = builder.space;
  Candidate entry{0, links_.entry()};
  scorer_.keys(query, {&entry.row, 1}, &entry.key);
  const int top = links_.max_level(), own = links_.level(row);
  for (int level = top; level > own; --level) {
    space.tags.start(links_.rows());
    entry = greedy_step(scorer_, query, LockedLinks{links_, *locks_, level, space.links}, entry, space);
  }
  for (int level = std::min(top, own); level >= 0; --level) {
    space.tags.start(links_.rows());
    space.tags.visit(row);  // another thread may have linked to it already
    walk_level(scorer_, query, LockedLinks{links_, *locks_, level, space.links}, entry, ef_, space);
    entry = {space.pool.key(0), space.pool.row(0)};
    builder.candidates.clear();
    for (int64_t i = 0; i < space.pool.size(); ++i)
      builder.candidates.push_back({space.pool.key(i), space.pool.row(i)});
    keep_diverse(row, static_cast<size_t>(links_.max_links(level)), builder);
    const std::vector<int32_t> neighbours = builder.kept;
    for (const int32_t neighbour : neighbours) link(row, neighbour, level, builder);
    for (const int32_t neighbour : neighbours) link(neighbour, row, level, builder);
  }
}

/// Algorithm 4: of the builder's candidates from the best on, keeps those that are nearer to `row` than to any kept
/// before. Equal vectors refuse none of each other and would fill each other's lists: they get half of a list, the
/// nearest by number, so that they hang together and with the rest.
void Construction::keep_diverse(int32_t row, size_t count, Builder& builder) const {
  auto& candidates = builder.candidates;
  auto& kept = builder.kept;
  std::sort(candidates.begin(), candidates.end(), [row](Candidate a, Candidate b) {
    return a.key != b.key ? a.key > b.key : std::abs(a.row - row) < std::abs(b.row - row);
  });
  kept.clear();
  float last_key = std::numeric_limits<float>::quiet_NaN();
  size_t equal = 0;
  for (const Candidate& candidate : candidates) {
    if (candidate.key == last_key && equal >= count / 2) continue;
    if (!is_diverse(candidate, kept)) continue;
    equal = candidate.key == last_key ? equal + 1 : 1;
    last_key = candidate.key;
    kept.push_back(candidate.row);
    if (kept.size() == count) return;
  }
}

bool Construction::is_diverse(Candidate candidate, const std::vector<int32_t>& kept) const {
  constexpr size_t kStep = 8;  // most are refused by one of the first rows
  const Query query = scorer_.row(candidate.row);
  std::array<float, kStep> keys;
  for (size_t i = 0; i < kept.size(); i += kStep) {
    const std::span<const int32_t> rows{kept.data() + i, std::min(kStep, kept.size() - i)};
    scorer_.keys(query, rows, keys.data());
    for (size_t j = 0; j < rows.size(); ++j)
      if (keys[j] > candidate.key) return false;
  }
  return true;
}

void Construction::link(int32_t from, int32_t to, int level, Builder& builder) {
  const auto held = locks_->hold(from);
  const std::span<int32_t> list = links_.of(from, level);
  const auto end = std::find(list.begin(), list.end(), -1);
  if (std::find(list.begin(), end, to) != end) return;
  if (from < old_rows_ && !journaled_[static_cast<size_t>(from)]) {
    journaled_[static_cast<size_t>(from)] = 1;
    const auto all = links_.all_of(from);
    builder.journal.emplace_back(from, std::vector<int32_t>(all.begin(), all.end()));
  }
  if (end != list.end()) {
    *end = to;
    return;
  }
  builder.rows.assign(list.begin(), list.end());
  builder.rows.push_back(to);
  builder.keys.resize(builder.rows.size());
  scorer_.keys(scorer_.row(from), builder.rows, builder.keys.data());
  builder.candidates.clear();
  for (size_t i = 0; i < builder.rows.size(); ++i) builder.candidates.push_back({builder.keys[i], builder.rows[i]});
  keep_diverse(from, list.size(), builder);
  std::fill(std::copy(builder.kept.begin(), builder.kept.end(), list.begin()), list.end(), -1);
}

/// Also where memory ran out half-way through prepare().
void Construction::roll_back() {
  for (const auto& builder : builders_.idle())
    for (const auto& [row, lists] : builder->journal) std::copy(lists.begin(), lists.end(), links_.all_of(row).begin());
  links_.truncate(old_rows_);
  links_.set_entry(old_entry_, old_top_);
}

}  // namespace

void HnswGraph::add(const Scorer& scorer, int64_t rows, const Monitor& monitor) {
  if (rows > links_->rows()) Construction(*links_, scorer, ef_construction_).run(rows, monitor);
}

}  // namespace pictrieve
