#include "pictrieve/index/hash/binary_hash.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "pictrieve/base/error.h"
#include "pictrieve/index/file/sections.h"

namespace pictrieve {
namespace {

constexpr int64_t kMostBits = 24;  // a table has an entry for each value of its piece
constexpr int64_t kAtOnce = 65536;

/// Bits [begin, begin + width) of a row as a number; width <= 24.
uint32_t piece(const uint8_t* bits, int64_t begin, int width) {
  const int64_t end = begin + width, last = (end - 1) / 8;
  uint64_t word = 0;
  for (int64_t byte = begin / 8; byte <= last; ++byte) word = word << 8 | bits[byte];
  return static_cast<uint32_t>(word >> ((last + 1) * 8 - end)) & ((uint32_t{1} << width) - 1);
}

/// Buckets within a radius of one.
double buckets_within(int width, int radius) {
  double layer = 1, sum = 1;
  for (int r = 1; r <= radius; ++r) sum += layer = layer * (width - r + 1) / r;
  return sum;
}

/// Calls visit(value) for all values of `width` bits with `ones` bits set, ascending (Gosper's enumeration).
template <typename Visit>
void for_each_mask(int width, int ones, const Visit& visit) {
  if (ones == 0) return visit(uint32_t{0});
  for (uint64_t mask = (uint64_t{1} << ones) - 1; mask >> width == 0;) {
    visit(static_cast<uint32_t>(mask));
    const uint64_t lowest = mask & (~mask + 1), carried = mask + lowest;
    mask = carried | ((mask ^ carried) / lowest) >> 2;
  }
}

}  // namespace

BinaryHash::BinaryHash(int64_t bits, int64_t dim, Metric metric) : metric_(metric), dim_(dim) {
  require(bits >= 1 && bits <= kMostBits, "factory: expected BHash<bits> with 1 to ", kMostBits,
          " bits for each table, best about log2 of the number of rows, such as BHash16, got ", bits);
  const int64_t pieces = (dim + bits - 1) / bits;
  for (int64_t i = 0; i < pieces; ++i) {
    const int64_t begin = dim * i / pieces, end = dim * (i + 1) / pieces;
    tables_.push_back({begin, static_cast<int>(end - begin), {}, {}});
    tables_.back().heads.assign(size_t{1} << (end - begin), -1);
  }
}

/// Links the rows order[i], or i where `order` is empty, as rows i = first, first + 1, ... of the table.
void BinaryHash::link(Table& table, const Rows& rows, std::span<const int32_t> order, int64_t first, int64_t count) {
  std::vector<uint8_t> bits(static_cast<size_t>(dim_ / 8));
  table.next.resize(static_cast<size_t>(first + count));
  for (int64_t i = first; i < first + count; ++i) {
    rows.decode(order.empty() ? i : order[static_cast<size_t>(i)], bits.data());
    int32_t& head = table.heads[piece(bits.data(), table.begin, table.width)];
    table.next[static_cast<size_t>(i)] = head;
    head = static_cast<int32_t>(i);
  }
}

void BinaryHash::add(const Rows& rows, const Exclusively& exclusively, const Monitor& monitor) {
  while (rows_ < rows.size()) {
    const int64_t count = std::min(kAtOnce, rows.size() - rows_);
    exclusively([&] {
      parallel_for(static_cast<int64_t>(tables_.size()), 1,
                   [&](int64_t t, int64_t, Worker) { link(tables_[static_cast<size_t>(t)], rows, {}, rows_, count); });
      rows_ += count;
    });
    if (monitor && count == kAtOnce) monitor(rows_, rows.size());
  }
}

/// Chains descend, so the rows to drop are at their beginning.
void BinaryHash::truncate(int64_t rows) {
  for (Table& table : tables_) {
    for (int32_t& head : table.heads)
      while (head >= rows) head = table.next[static_cast<size_t>(head)];
    table.next.resize(std::min(table.next.size(), static_cast<size_t>(rows)));
  }
  rows_ = std::min(rows_, rows);
}

void BinaryHash::keep(std::span<const int32_t> order, const Rows& rows, const Monitor& monitor) {
  std::vector<Table> kept = tables_;
  parallel_for(
      static_cast<int64_t>(kept.size()), 1,
      [&](int64_t t, int64_t, Worker) {
        Table& table = kept[static_cast<size_t>(t)];
        std::fill(table.heads.begin(), table.heads.end(), -1);
        table.next.clear();
        link(table, rows, order, 0, static_cast<int64_t>(order.size()));
      },
      monitor);
  tables_ = std::move(kept);
  rows_ = static_cast<int64_t>(order.size());
}

/// The smallest radius that visits `nprobe` buckets of a table.
int BinaryHash::radius_of(int64_t nprobe) const {
  const int width = tables_.back().width;  // none is wider
  int radius = 0;
  while (radius < width && buckets_within(width, radius) < static_cast<double>(nprobe)) ++radius;
  return radius;
}

double BinaryHash::cost(const SearchEffort& effort) const {
  const int radius = radius_of(effort.nprobe);
  double cost = 0;
  for (const Table& table : tables_)
    cost += buckets_within(table.width, std::min(radius, table.width)) *
            (1 + static_cast<double>(rows_) / static_cast<double>(table.heads.size()));
  return std::min(cost, static_cast<double>(rows_));
}

void BinaryHash::collect(const Table& table, uint32_t value, const uint8_t* allowed, Space& space) const {
  for (int32_t row = table.heads[value]; row >= 0; row = table.next[static_cast<size_t>(row)]) {
    if (allowed && !allowed[row]) continue;
    if (space.seen[static_cast<size_t>(row)]) continue;
    space.rows.push_back(row);
    space.seen[static_cast<size_t>(row)] = 1;
  }
}

void BinaryHash::Space::forget() {
  for (const int32_t row : rows) seen[static_cast<size_t>(row)] = 0;
  for (const Candidate& candidate : found) seen[static_cast<size_t>(candidate.row)] = 0;
  rows.clear();
  found.clear();
}

/// The rows that were not seen before in the buckets at exactly this radius.
void BinaryHash::visit(const Query& query, int radius, const uint8_t* allowed, Space& space) const {
  space.rows.clear();
  for (const Table& table : tables_) {
    const uint32_t own = piece(query.bits, table.begin, table.width);
    for_each_mask(table.width, radius, [&](uint32_t flips) { collect(table, own ^ flips, allowed, space); });
  }
}

std::optional<std::vector<Candidate>> BinaryHash::search(Comparer& comparer, const Query& query,
                                                         const SearchEffort& effort, const uint8_t* allowed) const {
  const int last = radius_of(effort.nprobe);
  if (buckets_within(tables_.back().width, last) * static_cast<double>(tables_.size()) > static_cast<double>(rows_))
    return std::nullopt;
  const auto space = spaces_.borrow();
  space->seen.resize(std::max(space->seen.size(), static_cast<size_t>(rows_)));
  auto& found = space->found;
  space->forget();  // here, so that a search that ran out of memory leaves no trace
  const auto wanted = static_cast<size_t>(effort.count);
  const auto better = [](const Candidate& a, const Candidate& b) { return a.key > b.key; };
  for (int radius = 0; radius <= last; ++radius) {
    visit(query, radius, allowed, *space);
    space->keys.resize(space->rows.size());
    if (!space->rows.empty()) comparer.keys(space->rows, space->keys.data());
    for (size_t i = 0; i < space->rows.size(); ++i) found.push_back({space->keys[i], space->rows[i]});
    if (found.size() < wanted || metric_ != Metric::Hamming) continue;
    std::nth_element(found.begin(), found.begin() + effort.count - 1, found.end(), better);
    // All rows that differ in fewer bits than this have been seen.
    if (-found[wanted - 1].key < static_cast<float>(tables_.size()) * static_cast<float>(radius + 1)) break;
  }
  if (found.size() > wanted) {
    std::nth_element(found.begin(), found.begin() + effort.count - 1, found.end(), better);
    const float worst = found[wanted - 1].key;
    std::vector<Candidate> best;
    std::copy_if(found.begin(), found.end(), std::back_inserter(best),
                 [worst](const Candidate& candidate) { return candidate.key >= worst; });
    return best;
  }
  return found;
}

int64_t BinaryHash::bytes() const {
  size_t entries = 0;
  for (const Table& table : tables_) entries += table.heads.size() + table.next.size();
  return static_cast<int64_t>(entries * sizeof(int32_t));
}

/// Links holds for each table its heads and then one entry a row.
void BinaryHash::save(SectionWriter& file) const {
  std::vector<int32_t> links;
  for (const Table& table : tables_) {
    links.insert(links.end(), table.heads.begin(), table.heads.end());
    links.insert(links.end(), table.next.begin(), table.next.end());
  }
  file.copy<int32_t>(SectionKind::Links, links);
}

void BinaryHash::load(const SectionReader& file, int64_t rows) {
  size_t count = 0;
  for (const Table& table : tables_) count += table.heads.size() + static_cast<size_t>(rows);
  const auto links = file.read<int32_t>(SectionKind::Links, static_cast<int64_t>(count));
  auto from = links.begin();
  for (Table& table : tables_) {
    std::vector<uint8_t> linked(static_cast<size_t>(rows), 0);
    // Before whom a row stands in its chain: only rows below `limit`, and each once, so chains end and hold all rows.
    const auto check = [&](int32_t row, int64_t limit) {
      const bool sane = row >= -1 && row < limit && (row < 0 || !linked[static_cast<size_t>(row)]);
      require<FormatError>(sane, "index file: impossible link in a hash table; rebuild it or restore a copy");
      if (row >= 0) linked[static_cast<size_t>(row)] = 1;
    };
    for (int32_t& head : table.heads) check(head = *from++, rows);
    table.next.resize(static_cast<size_t>(rows));
    for (int64_t i = 0; i < rows; ++i) check(table.next[static_cast<size_t>(i)] = *from++, i);
    require<FormatError>(std::find(linked.begin(), linked.end(), 0) == linked.end(),
                         "index file: a hash table lacks a row; rebuild it or restore a copy");
  }
  rows_ = rows;
}

}  // namespace pictrieve
