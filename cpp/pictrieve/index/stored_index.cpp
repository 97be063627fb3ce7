#include "pictrieve/index/stored_index.h"

#include <algorithm>
#include <new>
#include <numeric>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/index/graph_codes.h"
#include "pictrieve/index/preparation.h"

namespace pictrieve {
namespace {

/// Makes row i the old row order[i]; `owner` holds them then. An empty order keeps theirs.
void put_in_order(VectorsView& rows, std::span<const int32_t> order, Matrix<float>& owner) {
  if (order.empty()) return;
  const MatrixView<const float> from = rows.floats("add", rows.dim());
  owner = Matrix<float>(from.rows, from.cols);
  for (size_t i = 0; i < order.size(); ++i)
    std::copy_n(from.row(order[i]), from.cols, owner.row(static_cast<int64_t>(i)));
  rows = MatrixView<const float>(owner);
}

/// Measured on gloss and SIFT vectors: with twice as many candidates, byte codes lose nothing that a walk has found;
/// shorter codes go on gaining up to eight times.
int default_k_factor(Codec codec) {
  return codec == Codec::Pq || codec == Codec::PqFast || codec == Codec::SignBits ? 8 : 2;
}

}  // namespace

std::unique_ptr<Index> Index::create(const IndexOptions& options) { return std::make_unique<StoredIndex>(options); }

std::unique_ptr<Index> Index::load(const std::string& path, bool map) {
  return StoredIndex::load(IndexFile(path), map);
}

StoredIndex::StoredIndex(const IndexOptions& options)
    : options_(options),
      metric_(metric_from_name(options.metric)),
      recipe_(recipe_from(options)),
      params_{64, 16, default_k_factor(recipe_.codec.codec)} {
  const Metric base = base_metric(metric_);
  int64_t dim = options.dim;
  for (const ProjectionSpec& spec : recipe_.projections) dim = projections_.emplace_back(spec, dim, base).dim_out();
  rows_ = make_rows(recipe_.codec, dim, base);
  if (recipe_.originals) originals_ = make_rows(*recipe_.originals, options.dim, base);
  structure_ = make_structure(recipe_.structure, options, dim);
  trained_ = projections_.empty() && rows_->least_for_training() == 0 &&
             (!structure_ || structure_->least_for_training() == 0);
}

StoredIndex::Prepared StoredIndex::prepare(VectorsView rows, const char* name) const {
  if (recipe_.codec.codec == Codec::Bits) {
    rows.bits(name, options_.dim);
    return {{}, {}, rows, rows};
  }
  const MatrixView<const float> floats = rows.floats(name, options_.dim);
  require_comparable(floats, metric_, name);
  Prepared prepared{prepared_for(metric_, floats), {}, rows, rows};
  if (prepared.by_metric.data()) prepared.full = prepared.coded = MatrixView<const float>(prepared.by_metric);
  return prepared;
}

void StoredIndex::project(Prepared& prepared) const {
  for (const Projection& projection : projections_) {
    prepared.projected = projection.apply(prepared.coded.floats("rows", projection.dim_in()));
    prepared.coded = MatrixView<const float>(prepared.projected);
  }
}

std::vector<int64_t> StoredIndex::new_ids(int64_t count, std::span<const int64_t> ids, bool replace) const {
  std::vector<int64_t> chosen(ids.begin(), ids.end());
  if (ids.empty()) {
    require(count <= INT64_MAX - items_.next_id(), "ids: none are left after the largest so far, ",
            items_.next_id() - 1, "; choose them yourself");
    chosen.resize(static_cast<size_t>(count));
    std::iota(chosen.begin(), chosen.end(), items_.next_id());
    return chosen;
  }
  require(static_cast<int64_t>(chosen.size()) == count, "ids: expected one for each of the ", count, " rows, got ",
          chosen.size());
  IdMap seen;
  seen.reserve(count);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t id = chosen[static_cast<size_t>(i)];
    require(seen.exchange(id, static_cast<int32_t>(i)) == IdMap::kAbsent, "ids: ", id, " occurs twice in one call");
    require(replace || items_.find(id) == IdMap::kAbsent, "ids: ", id,
            " is in the index already; remove it first, or pass replace=True");
  }
  return chosen;
}

Exclusively StoredIndex::exclusively() {
  return [this](const std::function<void()>& change) {
    const auto alone = lock_.write();
    change();
  };
}

void StoredIndex::add(VectorsView rows, std::span<const int64_t> ids, bool replace, const Monitor& monitor) {
  const std::lock_guard writing(writing_);
  require(items_.rows() + rows.rows() <= INT32_MAX, "add: an index holds at most ", INT32_MAX, " rows");
  Prepared prepared = prepare(rows, "add");
  const std::vector<int64_t> chosen = new_ids(rows.rows(), ids, replace);
  if (rows.rows() == 0) return;
  if (!trained_) train_on(prepared, monitor);
  project(prepared);
  append(prepared, chosen, monitor);
}

/// Searches go on except while rows move in; they do not see the new ones before the last step.
void StoredIndex::append(const Prepared& prepared, std::span<const int64_t> ids, const Monitor& monitor) {
  const int64_t first = items_.rows();
  const Exclusively alone = exclusively();
  const bool had_originals = originals_ != nullptr;
  const bool grows = recipe_.grows && !structure_ && first + static_cast<int64_t>(ids.size()) > kGraphPaysFrom;
  try {
    if (grows) alone([this] { grow_graph(); });
    Arrangement arrangement;
    if (structure_ && !prepared.coded.is_bits())
      arrangement = structure_->arrange(prepared.coded.floats("rows", prepared.coded.dim()), monitor);
    VectorsView coded = prepared.coded, full = prepared.full;
    Matrix<float> ordered_coded, ordered_full;
    put_in_order(coded, arrangement.order, ordered_coded);
    if (originals_) put_in_order(full, arrangement.order, ordered_full);
    rows_->prepare(coded, arrangement.centres, monitor);
    alone([&] {
      items_.append(ids, arrangement.order);
      rows_->append(coded);
      if (originals_) originals_->append(full);
    });
    if (structure_ && recipe_.may_code && !originals_)
      if (auto codes = codes_to_walk(*rows_, grows ? 0 : first)) alone([&] { walk_by(std::move(codes)); });
    if (structure_) structure_->add(*rows_, alone, monitor);
    alone([&] { items_.commit(first); });
  } catch (...) {
    alone([&] {
      if (grows) structure_.reset();
      if (originals_ && !had_originals) rows_ = std::move(originals_);
      truncate(first);
    });
    throw;
  }
  try {
    regroup();
    compact_if_many();
  } catch (const std::bad_alloc&) {  // the rows are in: tidying up can wait for the next addition
  }
}

void StoredIndex::walk_by(std::unique_ptr<Rows> codes) {
  originals_ = std::move(rows_);
  rows_ = std::move(codes);
  structure_->rows_changed();
}

/// Puts rows that belong together beside each other again, after many small additions.
void StoredIndex::regroup() {
  const std::vector<int32_t> order = structure_ ? structure_->regrouping() : std::vector<int32_t>{};
  if (order.empty()) return;
  const auto alone = lock_.write();
  reorder(order, [this] { structure_->regrouped(); });
}

/// All of it or, where memory runs out or a monitor stops `reorder_structure`, nothing.
void StoredIndex::reorder(std::span<const int32_t> order, const std::function<void()>& reorder_structure) {
  const auto kept = [order](const std::unique_ptr<Rows>& rows) {
    std::unique_ptr<Rows> copy = rows ? rows->copy() : nullptr;
    if (copy) copy->keep(order);
    return copy;
  };
  Items items = items_;
  items.keep(order);
  std::unique_ptr<Rows> rows = kept(rows_), originals = kept(originals_);
  reorder_structure();
  items_ = std::move(items);
  rows_ = std::move(rows);
  originals_ = std::move(originals);
}

/// Under "auto": the graph takes in the rows that are there with those to come.
void StoredIndex::grow_graph() {
  const StructureSpec graph{StructureSpec::Kind::Graph, kLinksOfAuto, 0};
  structure_ = make_structure(graph, options_, options_.dim);
}

void StoredIndex::truncate(int64_t rows) {
  if (structure_) structure_->truncate(rows);
  items_.truncate(rows);
  rows_->truncate(rows);
  if (originals_) originals_->truncate(rows);
}

void StoredIndex::train(VectorsView rows, const Monitor& monitor) {
  const std::lock_guard writing(writing_);
  require(items_.rows() == 0, "train: the index holds ", items_.rows(), " rows already, encoded as it was trained");
  train_on(prepare(rows, "train"), monitor);
}

void StoredIndex::train_on(const Prepared& prepared, const Monitor& monitor) {
  if (recipe_.codec.codec == Codec::Bits) return;
  const auto alone = lock_.write();
  const bool learns = !trained_ || rows_->least_for_training() > 0 || structure_ || !projections_.empty();
  trained_ = !learns;  // what an interruption leaves half-learned is not used
  VectorsView sample = prepared.full;
  int64_t least = std::max(rows_->least_for_training(), structure_ ? structure_->least_for_training() : 0);
  for (const Projection& projection : projections_) least = std::max(least, projection.least_for_training());
  require(sample.rows() >= least, "train: ", options_.factory, " learns from at least ", least, " rows, got ",
          sample.rows(),
          "; add more at first, call train() with a larger sample, or choose a simpler factory such as Flat");
  Matrix<float> projected;
  for (Projection& projection : projections_) {
    const auto rows = sample.floats("train", projection.dim_in());
    projection.train(rows, options_.seed, monitor);
    projected = projection.apply(rows);
    sample = MatrixView<const float>(projected);
  }
  const auto rows = sample.floats("train", sample.dim());
  if (structure_) {
    structure_->train(rows, options_.seed, monitor);
    rows_->set_centres(structure_->centres());
  }
  rows_->train(rows, options_.seed, monitor);
  trained_ = true;
}

int64_t StoredIndex::remove(std::span<const int64_t> ids) {
  const std::lock_guard writing(writing_);
  int64_t removed = 0;
  exclusively()([&] {
    for (const int64_t id : ids) removed += items_.remove(id);
  });
  compact_if_many();
  return removed;
}

/// Graphs wait until they are asked to: mending them takes its time.
void StoredIndex::compact_if_many() {
  const bool quick = !structure_ || structure_->keeps_quickly();
  if (quick && items_.removed() > items_.rows() / 4) drop_removed({});
}

void StoredIndex::compact(const Monitor& monitor) {
  const std::lock_guard writing(writing_);
  if (items_.removed() > 0) drop_removed(monitor);
}

void StoredIndex::drop_removed(const Monitor& monitor) {
  std::vector<int32_t> live;
  for (int64_t row = 0; row < items_.rows(); ++row)
    if (items_.is_live(row)) live.push_back(static_cast<int32_t>(row));
  const auto alone = lock_.write();
  reorder(live, [&] {
    if (structure_) structure_->keep(live, *rows_, monitor);
  });
}

/// "auto" says what it has become.
std::string StoredIndex::factory() const {
  if (!recipe_.grows) return options_.factory;
  const std::string bits = recipe_.codec.codec == Codec::Bits ? "B" : "";
  return bits + (structure_ ? message("HNSW", kLinksOfAuto) : "Flat");
}

Matrix<int64_t> StoredIndex::ids() const {
  const auto reading = lock_.read();
  Matrix<int64_t> ids(1, items_.live());
  int64_t count = 0;
  for (const int32_t row : items_.by_addition()) ids.data()[count++] = items_.id(row);
  return ids;
}

int64_t StoredIndex::size() const {
  const auto reading = lock_.read();
  return items_.live();
}

IndexInfo StoredIndex::info() const {
  const auto reading = lock_.read();
  IndexInfo info;
  info.dim = options_.dim;
  info.metric = options_.metric;
  info.factory = factory();
  info.dtype = name_of(recipe_.originals.value_or(recipe_.codec).codec);
  info.params = params_;
  info.approximate = structure_ || originals_ || !projections_.empty();
  info.trained = trained_;
  info.removed = items_.removed();
  info.bytes_vectors = rows_->bytes() + (originals_ ? originals_->bytes() : 0);
  info.bytes_structure = structure_ ? structure_->bytes() : 0;
  return info;
}

}  // namespace pictrieve
