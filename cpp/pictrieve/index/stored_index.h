// Private: the index over a VectorStore, with or without a graph.
#pragma once

#include <memory>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

#include "pictrieve/index/exact_search.h"
#include "pictrieve/index/hnsw_graph.h"
#include "pictrieve/index/index.h"
#include "pictrieve/index/selection.h"
#include "pictrieve/index/vector_store.h"

namespace pictrieve {

/// "Flat" -> 0, "HNSW32" -> 32; throws listing what is known.
int links_from_factory(const std::string& factory);

class StoredIndex final : public Index {
 public:
  explicit StoredIndex(const IndexOptions& options);
  static std::unique_ptr<Index> load(const std::string& path, bool map);

  void add(MatrixView<const float> rows, std::span<const int64_t> ids, bool replace, const Monitor& monitor) override;
  int64_t remove(std::span<const int64_t> ids) override;
  SearchResult search(MatrixView<const float> queries, int64_t k, const SearchOptions& options,
                      const Monitor& monitor) const override;
  SearchResult range_search(MatrixView<const float> queries, float threshold, const Filter& where,
                            const Monitor& monitor) const override;
  Matrix<float> reconstruct(std::span<const int64_t> ids) const override;
  Matrix<int64_t> ids() const override;
  int64_t size() const override;
  IndexInfo info() const override;
  void set_ef_search(int ef_search) override;
  void save(const std::string& path, const std::string& note) const override;
  std::string note() const override;
  void verify() const override;

 private:
  /// What verify() still has to check.
  struct VectorsCheck {
    std::string path;  ///< of a mapped file; empty where all was checked on loading
    std::shared_ptr<float[]> vectors;
    int64_t rows = 0;
    uint64_t checksum = 0;
  };

  std::vector<int64_t> new_ids(int64_t count, std::span<const int64_t> ids, bool replace) const;
  std::vector<Query> checked_queries(MatrixView<const float> queries) const;
  void graph_search(const Selection& selection, std::vector<Query>& queries, Wanted wanted, int64_t ef,
                    ResultWriter& writer, const Monitor& monitor) const;

  IndexOptions options_;
  int ef_search_ = 64;
  VectorStore store_;
  std::unique_ptr<HnswGraph> graph_;  ///< null for "Flat"
  std::string note_;
  VectorsCheck unchecked_;
  mutable std::shared_mutex mutex_;
};

}  // namespace pictrieve
