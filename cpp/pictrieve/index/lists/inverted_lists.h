// Private: inverted lists (Jegou, Douze, Schmid, TPAMI 2011): rows by their nearest centroid. A search visits the lists
// whose centroids are nearest to the query.
#pragma once

#include <memory>
#include <vector>

#include "pictrieve/index/graph/hnsw_graph.h"
#include "pictrieve/index/rows/float_rows.h"
#include "pictrieve/index/structure.h"

namespace pictrieve {

/// How many lists there are and how those near a query are found.
struct ListOptions {
  int64_t count = 0;
  int coarse_links = 0;  ///< of a graph over the centroids; 0 compares with all of them
  int ef_construction = 200;
  uint64_t seed = 0;
};

/// Rows of one addition lie list by list, so a list is a few ranges of rows that lie in a line: memory is read in
/// order, whatever rows are made of. After many small additions all rows are regrouped.
class InvertedLists final : public Structure {
 public:
  InvertedLists(const ListOptions& options, int64_t dim, Metric base);

  void train(MatrixView<const float> sample, uint64_t seed, const Monitor& monitor) override;
  int64_t least_for_training() const override { return options_.count; }
  Arrangement arrange(MatrixView<const float> rows, const Monitor& monitor) override;
  std::shared_ptr<const Matrix<float>> centres() const override { return centroids_; }
  void add(const Rows& rows, const Exclusively& exclusively, const Monitor& monitor) override;
  void truncate(int64_t rows) override;
  void keep(std::span<const int32_t> order, const Rows& rows, const Monitor& monitor) override;
  bool keeps_quickly() const override { return true; }
  std::vector<int32_t> regrouping() const override;
  void regrouped() override;

  std::vector<float> coarse(std::span<const Query> queries) const override;
  bool shares_between_queries() const override { return !graph_; }
  std::optional<std::vector<Candidate>> search(Comparer& comparer, const Query& query, const SearchEffort& effort,
                                               const uint8_t* allowed) const override;
  double cost(const SearchEffort& effort) const override;
  int64_t bytes() const override;
  void save(SectionWriter& file) const override;
  void load(const SectionReader& file, int64_t rows) override;

 private:
  struct Range {
    int32_t begin;
    int32_t end;
  };

  /// A list by its centroid: how near it is to the query, and their inner product.
  struct Near {
    float key;
    int32_t list;
    float product;
  };

  bool by_products() const { return base_ == Metric::Cosine || base_ == Metric::InnerProduct; }
  int64_t lists() const { return static_cast<int64_t>(ranges_.size()); }
  void take_centroids(const Matrix<float>& centroids);
  void build_graph(const Monitor& monitor);
  std::vector<int32_t> nearest_by_graph(MatrixView<const float> rows, const Monitor& monitor) const;
  std::vector<Candidate> walk(const Query& query, int64_t count) const;
  std::vector<Candidate> compare_with_all(const Query& query, int64_t count) const;
  std::vector<Near> nearest_lists(const Query& query, int64_t count) const;
  void visit(const Near& near, Comparer& comparer, const uint8_t* allowed, CandidateBuffer& found) const;
  int64_t ranges() const;

  ListOptions options_;
  int64_t dim_;
  Metric base_;
  std::shared_ptr<const Matrix<float>> centroids_;  ///< null before training
  float longest_ = 0;                               ///< length of a centroid
  std::vector<float> squared_;                      ///< squared lengths of the centroids
  std::unique_ptr<FloatRows> coarse_rows_;          ///< the centroids as rows of the graph
  std::unique_ptr<HnswGraph> graph_;                ///< null where a query is compared with all of them
  std::vector<std::vector<Range>> ranges_;          ///< of each list, ascending
  std::vector<int32_t> arranged_;                   ///< the lists of the rows that add() will take in
  int64_t rows_ = 0;
};

}  // namespace pictrieve
