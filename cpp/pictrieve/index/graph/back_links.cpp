#include "pictrieve/index/graph/back_links.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace pictrieve {

void BackLinks::collect(int32_t from, int level) {
  for (const int32_t to : links_.of(from, level)) {
    if (to < 0) break;
    const auto list = links_.of(to, level);
    if (std::find(list.begin(), list.end(), from) == list.end()) collected_.push_back({to, level, from});
  }
}

void BackLinks::choose() {
  std::stable_sort(collected_.begin(), collected_.end(),
                   [](const Link& a, const Link& b) { return std::tie(a.to, a.level) < std::tie(b.to, b.level); });
  lists_.clear();
  for (size_t i = 0; i < collected_.size(); ++i) {
    const Link& link = collected_[i];
    if (lists_.empty() || lists_.back().row != link.to || lists_.back().level != link.level)
      lists_.push_back({link.to, link.level, i, i, 0});
    lists_.back().last = i + 1;
  }
  const auto stride = static_cast<size_t>(links_.max_links(0));
  chosen_.resize(lists_.size() * stride);
  parallel_for(static_cast<int64_t>(lists_.size()), 16, [&](int64_t begin, int64_t end, const Worker& worker) {
    const auto chooser = choosers_.borrow();
    if (!chooser->chooser) chooser->chooser = std::make_unique<NeighbourChooser>(source_);
    for (int64_t i = begin; i < end && !worker.should_stop(); ++i)
      extend(lists_[static_cast<size_t>(i)], {chosen_.data() + static_cast<size_t>(i) * stride, stride}, *chooser);
  });
}

/// Appends the links, or chooses among all where they are too many.
void BackLinks::extend(NewList& target, std::span<int32_t> out, Chooser& chooser) const {
  const auto list = std::as_const(links_).of(target.row, target.level);
  std::vector<int32_t>& rows = chooser.rows;
  rows.assign(list.begin(), std::find(list.begin(), list.end(), -1));
  for (size_t i = target.first; i < target.last; ++i) rows.push_back(collected_[i].from);
  target.known_diverse = target.level == 0 ? links_.known_diverse(target.row) : 0;
  std::span<const int32_t> chosen = rows;
  if (rows.size() > list.size()) {
    chooser.chooser->start();
    chooser.chooser->add(target.row, rows, target.known_diverse);
    chosen = chooser.chooser->choose(target.row, list.size());
    target.known_diverse = chosen.size();
  }
  std::fill(std::copy(chosen.begin(), chosen.end(), out.begin()), out.end(), -1);
}

void BackLinks::apply(HnswJournal* journal) {
  const int32_t* next = chosen_.data();
  for (const NewList& changed : lists_) {
    if (journal) journal->note(links_, changed.row);
    const auto list = links_.of(changed.row, changed.level);
    std::copy_n(next, list.size(), list.begin());
    if (changed.level == 0) links_.set_known_diverse(changed.row, changed.known_diverse);
    next += links_.max_links(0);
  }
  lists_.clear();
  collected_.clear();
}

}  // namespace pictrieve
