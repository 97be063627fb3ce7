#include "pictrieve/index/graph/hnsw_links.h"

#include <algorithm>
#include <cmath>

#include "pictrieve/base/error.h"

namespace pictrieve {

HnswLinks::HnswLinks(int m, uint64_t seed) : m_(m), seed_(seed), base_(2 * m) {
  const double step = std::log(m);  // each level has 1 / M of the rows of the level below
  for (int level = 0;; ++level) {
    const double probability = std::exp(-level * step) * (1 - std::exp(-step));
    if (probability < 1e-9) break;
    probabilities_.push_back(probability);
  }
}

int HnswLinks::random_level(int64_t row) const {
  // SplitMix64 (Steele, Lea, Flood 2014) of seed and row: a reloaded index continues as the saved one would have.
  uint64_t z = seed_ + (static_cast<uint64_t>(row) + 1) * 0x9E3779B97F4A7C15U;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  double uniform = static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1.0p-53;
  for (size_t level = 0; level < probabilities_.size(); ++level) {
    if (uniform < probabilities_[level]) return static_cast<int>(level);
    uniform -= probabilities_[level];
  }
  return static_cast<int>(probabilities_.size()) - 1;
}

void HnswLinks::grow(int64_t rows) {
  std::vector<int32_t> levels;
  for (int64_t row = this->rows(); row < rows; ++row) levels.push_back(random_level(row) + 1);
  append(levels);
}

void HnswLinks::append(std::span<const int32_t> levels) {
  const auto count = static_cast<int64_t>(levels.size());
  std::fill_n(base_.extend(count), count * base_.width(), -1);
  for (const int32_t level : levels)
    upper_begin_.push_back(upper_begin_.back() + static_cast<size_t>((level - 1) * m_));
  upper_.resize(upper_begin_.back(), -1);
  known_diverse_.resize(known_diverse_.size() + levels.size(), 0);
  levels_.insert(levels_.end(), levels.begin(), levels.end());
}

void HnswLinks::truncate(int64_t rows) {
  const auto count = static_cast<size_t>(rows);
  rows_connected_ = std::min(rows_connected_, rows);
  levels_.resize(std::min(levels_.size(), count));
  known_diverse_.resize(std::min(known_diverse_.size(), count));
  base_.truncate(rows);
  upper_begin_.resize(count + 1);
  upper_.resize(std::min(upper_.size(), upper_begin_.back()));
}

HnswLinks HnswLinks::clone() const {
  HnswLinks copy(m_, seed_);
  copy.restore(levels_, all_links(), entry_, max_level_);
  copy.known_diverse_ = known_diverse_;
  return copy;
}

HnswLinks HnswLinks::renumbered(std::span<const int32_t> order) const {
  std::vector<int32_t> new_row(levels_.size(), -1), levels;
  for (size_t i = 0; i < order.size(); ++i) new_row[static_cast<size_t>(order[i])] = static_cast<int32_t>(i);
  for (const int32_t row : order) levels.push_back(levels_[static_cast<size_t>(row)]);
  HnswLinks kept(m_, seed_);
  kept.append(levels);
  for (size_t i = 0; i < order.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    kept.known_diverse_[i] = known_diverse_[static_cast<size_t>(order[i])];
    for (int level = 0; level <= kept.level(row); ++level) {
      const auto from = of(order[i], level);
      std::transform(from.begin(), from.end(), kept.of(row, level).begin(),
                     [&](int32_t link) { return link < 0 ? -1 : new_row[static_cast<size_t>(link)]; });
    }
  }
  kept.rows_connected_ = kept.rows();
  if (!order.empty()) kept.set_entry(new_row[static_cast<size_t>(entry_)], max_level_);
  return kept;
}

std::vector<int32_t> HnswLinks::all_links() const {
  std::vector<int32_t> all;
  all.reserve(base_.all().size() + upper_.size());
  for (int64_t row = 0; row < rows(); ++row) {
    for (int level = 0; level <= this->level(row); ++level) {
      const auto list = of(row, level);
      all.insert(all.end(), list.begin(), list.end());
    }
  }
  return all;
}

int64_t HnswLinks::bytes() const {
  return base_.bytes() + static_cast<int64_t>(upper_.size() * sizeof(int32_t) + upper_begin_.size() * sizeof(size_t) +
                                              levels_.size() * (sizeof(int32_t) + sizeof(uint16_t)));
}

void HnswLinks::restore(std::span<const int32_t> levels, std::span<const int32_t> links, int32_t entry, int max_level) {
  const auto check = [](bool ok, const char* what) { require<FormatError>(ok, "index file: damaged graph: ", what); };
  const int levels_known = static_cast<int>(probabilities_.size());
  const int32_t rows = static_cast<int32_t>(levels.size());
  int highest = -1;
  size_t expected = 0;
  for (const int32_t level : levels) {
    check(level >= 1 && level <= levels_known, "level out of range");
    expected += static_cast<size_t>((level + 1) * m_);
    highest = std::max(highest, level - 1);
  }
  check(links.size() == expected, "wrong number of links");
  check(max_level == highest, "wrong top level");
  check(rows == 0 ? entry == -1 : entry >= 0 && entry < rows && levels[static_cast<size_t>(entry)] == highest + 1,
        "entry row out of range");
  append(levels);
  const int32_t* next = links.data();
  for (int32_t row = 0; row < rows; ++row) {
    for (int level = 0; level < levels[static_cast<size_t>(row)]; ++level) {
      for (int32_t& to : of(row, level)) {
        const int32_t link = *next++;
        // A link at a level that its target does not have would read past the target's lists.
        check(link >= -1 && link < rows && (link < 0 || levels[static_cast<size_t>(link)] > level),
              "link out of range");
        to = link;
      }
    }
  }
  set_entry(entry, max_level);
  rows_connected_ = 0;  // the file does not say: the next rows are reason to look
}

}  // namespace pictrieve
