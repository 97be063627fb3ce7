// Private: a navigable small-world graph (Malkov and Yashunin, arXiv 1603.09320): finds near rows in few comparisons.
#pragma once

#include <memory>

#include "pictrieve/base/pool.h"
#include "pictrieve/index/structure.h"

namespace pictrieve {

class HnswJournal;
class HnswLinks;
struct WalkSpace;

class HnswGraph final : public Structure {
 public:
  HnswGraph(int m, int ef_construction, uint64_t seed);
  ~HnswGraph() override;

  void add(const Rows& rows, const Exclusively& exclusively, const Monitor& monitor) override;
  void truncate(int64_t rows) override;
  void rows_changed() override;
  void keep(std::span<const int32_t> order, const Rows& rows, const Monitor& monitor) override;
  std::optional<std::vector<Candidate>> search(Comparer& comparer, const Query& query, const SearchEffort& effort,
                                               const uint8_t* allowed) const override;
  double cost(const SearchEffort& effort) const override;
  int64_t bytes() const override;
  void save(SectionWriter& file) const override;
  void load(const SectionReader& file, int64_t rows) override;

 private:
  std::unique_ptr<HnswLinks> links_;
  std::unique_ptr<HnswJournal> journal_;
  int ef_construction_;
  mutable Pool<WalkSpace> spaces_;  ///< kept, because clearing tags for each search would cost
};

}  // namespace pictrieve
