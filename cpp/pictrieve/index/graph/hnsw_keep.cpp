#include "pictrieve/index/graph/hnsw_keep.h"

#include <algorithm>

#include "pictrieve/index/graph/back_links.h"
#include "pictrieve/index/graph/hnsw_connect.h"

namespace pictrieve {

HnswKeep::HnswKeep(const HnswLinks& links, const Rows& source, std::span<const int32_t> order)
    : source_(source), order_(order), links_(links.clone()), kept_(static_cast<size_t>(links.rows()), 0) {
  for (const int32_t row : order) kept_[static_cast<size_t>(row)] = 1;
}

HnswLinks HnswKeep::run(const Monitor& monitor) {
  choose_entry();
  parallel_for(
      static_cast<int64_t>(order_.size()), 64,
      [&](int64_t begin, int64_t end, const Worker& worker) {
        const auto lease = linkers_.borrow();
        if (!lease->linker) lease->linker = std::make_unique<Linker>(source_);
        for (int64_t i = begin; i < end && !worker.should_stop(); ++i) {
          const int32_t row = order_[static_cast<size_t>(i)];
          for (int level = 0; level <= links_.level(row); ++level) relink(row, level, *lease->linker);
        }
      },
      monitor);
  BackLinks back_links(links_, source_);
  for (const int32_t row : order_)
    for (int level = 0; level <= links_.level(row); ++level) back_links.collect(row, level);
  back_links.choose();
  back_links.apply(nullptr);
  if (!order_.empty()) HnswConnect(links_, source_, order_).complete(nullptr);
  return links_.renumbered(order_);
}

/// The old entry where it is kept, otherwise the first of the tallest rows.
void HnswKeep::choose_entry() {
  if (order_.empty()) return links_.set_entry(-1, -1);
  if (is_kept(links_.entry())) return;
  const int32_t tallest = *std::max_element(order_.begin(), order_.end(),
                                            [&](int32_t a, int32_t b) { return links_.level(a) < links_.level(b); });
  links_.set_entry(tallest, links_.level(tallest));
}

/// Threads read lists of dropped rows and write those of kept ones.
void HnswKeep::relink(int32_t row, int level, Linker& linker) {
  const std::span<int32_t> list = links_.of(row, level);
  if (std::all_of(list.begin(), list.end(), [&](int32_t link) { return link < 0 || is_kept(link); })) return;
  look_around(row, level, linker);
  linker.chooser.start();
  linker.chooser.add(row, linker.found);
  const auto chosen = linker.chooser.choose(row, list.size());
  std::fill(std::copy(chosen.begin(), chosen.end(), list.begin()), list.end(), -1);
  if (level == 0) links_.set_known_diverse(row, chosen.size());
}

/// Finds the kept rows that the row and the dropped ones beside it link to; further away while these are few.
void HnswKeep::look_around(int32_t row, int level, Linker& linker) const {
  linker.tags.start(links_.rows());
  linker.tags.visit(row);
  linker.found.clear();
  linker.dropped.assign(1, row);
  const auto enough = static_cast<size_t>(links_.max_links(level)) * 4;
  for (int ring = 0; ring < 2 || linker.found.size() < enough; ++ring) {
    linker.next.clear();
    for (const int32_t from : linker.dropped) {
      for (const int32_t link : links_.of(from, level)) {
        if (link < 0) break;
        if (linker.tags.visit(link)) (is_kept(link) ? linker.found : linker.next).push_back(link);
      }
    }
    linker.dropped.swap(linker.next);
    if (linker.dropped.empty()) break;
  }
}

}  // namespace pictrieve
