#include "pictrieve/index/graph/hnsw_graph.h"

#include <algorithm>
#include <array>

#include "pictrieve/base/error.h"
#include "pictrieve/index/file/sections.h"
#include "pictrieve/index/graph/filtered_walk.h"
#include "pictrieve/index/graph/hnsw_build.h"
#include "pictrieve/index/graph/hnsw_keep.h"
#include "pictrieve/index/graph/hnsw_links.h"
#include "pictrieve/index/graph/hnsw_walk.h"

namespace pictrieve {
namespace {

/// The GraphHead section. Levels (int32, 1 for rows of the base level only) has one entry a row; Links (int32) holds
/// for each row its lists from level 0 up, 2M and then M wide, ended by -1.
struct GraphHead {
  int32_t entry;
  int32_t max_level;
};

}  // namespace

HnswGraph::HnswGraph(int m, int ef_construction, uint64_t seed)
    : links_(std::make_unique<HnswLinks>(m, seed)),
      journal_(std::make_unique<HnswJournal>()),
      ef_construction_(ef_construction) {}

HnswGraph::~HnswGraph() = default;

void HnswGraph::rows_changed() { links_->forget_diverse(); }

int64_t HnswGraph::bytes() const { return links_->bytes(); }

double HnswGraph::cost(const SearchEffort& effort) const {
  return static_cast<double>(std::max(effort.ef, effort.count)) * links_->max_links(0) /
         2;  // about half of a row's links were seen before
}

void HnswGraph::add(const Rows& rows, const Exclusively& exclusively, const Monitor& monitor) {
  if (rows.size() > links_->rows()) HnswBuild(*links_, *journal_, rows, ef_construction_).run(exclusively, monitor);
}

void HnswGraph::truncate(int64_t rows) {
  if (links_->rows() <= rows) return links_->truncate(rows);  // nothing was linked, but room may have been made
  require(journal_->rows() == rows, "graph: only the last addition can be undone");
  journal_->undo(*links_);
}

void HnswGraph::keep(std::span<const int32_t> order, const Rows& rows, const Monitor& monitor) {
  HnswLinks kept = HnswKeep(*links_, rows, order).run(monitor);
  auto journal = std::make_unique<HnswJournal>();
  journal->start(kept);
  *links_ = std::move(kept);  // from here on nothing throws
  journal_ = std::move(journal);
}

std::optional<std::vector<Candidate>> HnswGraph::search(Comparer& comparer, const Query&, const SearchEffort& effort,
                                                        const uint8_t* allowed) const {
  const HnswLinks& links = *links_;
  if (links.entry() < 0) return std::vector<Candidate>{};  // also while the first rows are being added
  const int64_t ef = std::min(std::max(effort.ef, effort.count), links.rows());  // a longer list only costs memory
  const auto space = spaces_.borrow();
  // Paths lead from the top to every row, if not from where the upper levels lead.
  const Candidate top = top_of(comparer, links);
  const std::array<Candidate, 2> starts{descend(comparer, links, top, 0, *space), top};
  const LevelLinks base{links, 0};
  bool complete = true;
  if (allowed)
    complete = walk_allowed(comparer, base, starts, ef, allowed, links.rows() / 8 + 64 * ef, *space);
  else
    walk_level(comparer, base, starts, ef, *space);
  if (!complete) return std::nullopt;
  std::vector<Candidate> found;
  for (int64_t i = 0; i < space->pool.size(); ++i) found.push_back({space->pool.key(i), space->pool.row(i)});
  return found;
}

void HnswGraph::save(SectionWriter& file) const {
  const GraphHead head{links_->entry(), links_->max_level()};
  file.copy<GraphHead>(SectionKind::GraphHead, {&head, 1});
  file.borrow<int32_t>(SectionKind::Levels, links_->levels());
  file.copy<int32_t>(SectionKind::Links, links_->all_links());
}

void HnswGraph::load(const SectionReader& file, int64_t rows) {
  constexpr size_t kPlaceInVersion1 = 40;  // it was part of the file's header
  const auto head = file.version() == 1 ? file.read_struct_at<GraphHead>(SectionKind::Header, kPlaceInVersion1)
                                        : file.read_struct<GraphHead>(SectionKind::GraphHead);
  links_->restore(file.read<int32_t>(SectionKind::Levels, rows), file.read<int32_t>(SectionKind::Links), head.entry,
                  head.max_level);
}

}  // namespace pictrieve
