// Private: the index as rows, ids and, before and above them, what the factory string names.
#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "pictrieve/index/factory.h"
#include "pictrieve/index/file/sections.h"
#include "pictrieve/index/index.h"
#include "pictrieve/index/items.h"
#include "pictrieve/index/reader_writer_lock.h"
#include "pictrieve/index/result_writer.h"
#include "pictrieve/index/scan/scan.h"
#include "pictrieve/index/selection.h"
#include "pictrieve/index/transform/projection.h"

namespace pictrieve {

class StoredIndex final : public Index {
 public:
  explicit StoredIndex(const IndexOptions& options);
  static std::unique_ptr<StoredIndex> load(const IndexFile& file, bool map);

  /// Hands over the sections of a file, which are valid during the call; nothing changes meanwhile.
  void with_sections(const std::string& note, const std::function<void(std::span<const Section>)>& take) const;

  void add(VectorsView rows, std::span<const int64_t> ids, bool replace, const Monitor& monitor) override;
  void train(VectorsView rows, const Monitor& monitor) override;
  int64_t remove(std::span<const int64_t> ids) override;
  void compact(const Monitor& monitor) override;
  SearchResult search(VectorsView queries, int64_t k, const SearchOptions& options,
                      const Monitor& monitor) const override;
  SearchResult range_search(VectorsView queries, float threshold, const Filter& where,
                            const Monitor& monitor) const override;
  Matrix<float> reconstruct(std::span<const int64_t> ids) const override;
  Matrix<uint8_t> reconstruct_bits(std::span<const int64_t> ids) const override;
  Matrix<int64_t> ids() const override;
  int64_t size() const override;
  IndexInfo info() const override;
  void set_params(const SearchParams& params) override;
  void save(const std::string& path, const std::string& note) const override;
  std::string note() const override;
  void verify() const override;

 private:
  /// Rows on their way in or out: as they came, as the metric compares them, and projected for the codes.
  struct Prepared {
    Matrix<float> by_metric;  ///< empty where the metric takes rows as they are
    Matrix<float> projected;  ///< empty without projections
    VectorsView full;         ///< what originals hold
    VectorsView coded;        ///< what rows hold
  };

  /// Queries of one call and what is wanted of each.
  struct Request {
    Prepared prepared;
    std::vector<Query> full;   ///< for originals
    std::vector<Query> coded;  ///< for rows_
    int64_t count = 0;
    float min_score = -std::numeric_limits<float>::infinity();
    SearchParams params;
    bool exact = false;
  };

  Prepared prepare(VectorsView rows, const char* name) const;
  void project(Prepared& prepared) const;
  std::vector<int64_t> new_ids(int64_t count, std::span<const int64_t> ids, bool replace) const;
  void train_on(const Prepared& prepared, const Monitor& monitor);
  void append(const Prepared& prepared, std::span<const int64_t> ids, const Monitor& monitor);
  void grow_graph();
  void walk_by(std::unique_ptr<Rows> codes);
  std::string factory() const;
  void truncate(int64_t rows);
  void regroup();
  void reorder(std::span<const int32_t> order, const std::function<void()>& reorder_structure);
  void compact_if_many();
  void load_items(const SectionReader& file, int64_t rows, int64_t next_id);
  void load_parts(const IndexFile& file, int64_t rows, bool trained, bool map);
  void drop_removed(const Monitor& monitor);

  Request request(VectorsView queries) const;
  bool walks(const Selection& selection, const Request& request) const;
  SearchEffort effort(const Request& request) const;
  std::vector<Query> structure_search(const Request& request, const Selection& selection, ResultWriter& writer,
                                      const Monitor& monitor) const;
  void exact_search(const Request& request, const std::vector<Query>& queries, Selection& selection,
                    ResultWriter& writer, const Monitor& monitor) const;
  std::vector<Hit> hits(const Request& request, Comparer& comparer, std::vector<Candidate> candidates,
                        int64_t count) const;
  SearchParams with_defaults(const SearchParams& params) const;
  Exclusively exclusively();

  IndexOptions options_;
  Metric metric_;
  Recipe recipe_;
  SearchParams params_;
  bool trained_ = false;
  std::vector<Projection> projections_;
  Items items_;
  std::unique_ptr<Rows> rows_;
  std::unique_ptr<Rows> originals_;       ///< null where rows_ are scored themselves
  std::unique_ptr<Structure> structure_;  ///< null where every row is compared with
  std::string note_;
  std::string path_;                   ///< of the file that mapped sections belong to
  std::vector<MappedSection> mapped_;  ///< what verify() still has to check
  mutable ReaderWriterLock lock_;      ///< held to read or change what searches read
  mutable std::mutex writing_;
};

}  // namespace pictrieve
