#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <utility>
#include <vector>

#include "pictrieve/base/checksum.h"
#include "pictrieve/base/error.h"
#include "pictrieve/base/linalg.h"
#include "pictrieve/index/rows/lengths.h"
#include "pictrieve/index/stored_index.h"

namespace pictrieve {
namespace {

/// The Header section; the factory string is a section of its own. Ids (int64) and LiveFlags (a byte each) have one
/// entry a row, and so has Sequence (int64), when each row was added, where rows do not lie in that order. What rows,
/// originals, structure and projections hold is written by their classes.
struct Header {
  uint64_t dim;
  uint64_t rows;
  uint32_t metric;
  uint32_t dtype;  ///< place in kTypes
  uint32_t trained;
  uint32_t ef_construction;
  uint32_t ef_search;
  uint32_t nprobe;
  uint32_t k_factor;
  uint32_t zero;
  uint64_t seed;
  int64_t next_id;  ///< the id that the next row gets on its own: no id comes twice, whatever was removed
};
static_assert(sizeof(Header) == 64, "no gaps: the bytes are the file's");

/// Version 1 knew cosine, ip and l2, float32, Flat and HNSW; its head of the graph was here.
struct HeaderV1 {
  uint64_t dim;
  uint64_t rows;
  uint32_t metric;
  uint32_t links;  ///< M, or 0 for Flat
  uint32_t ef_construction;
  uint32_t ef_search;
  uint64_t seed;
  int32_t entry;
  int32_t max_level;
  int64_t next_id;
};
static_assert(sizeof(HeaderV1) == 56);

constexpr const char* kTypes[] = {"float32", "float16", "bfloat16", "int8", "bits"};
constexpr uint32_t kMostParam = INT32_MAX;
constexpr uint64_t kLongestFactory = 4096;        // longer ones are forged, and error messages repeat them
constexpr int64_t kLastPlace = int64_t{1} << 62;  // of a row in the sequence; leaves room for those to come

struct Head {
  Header header;
  std::string factory;
};

Head read_head(const IndexFile& file) {
  const SectionReader reader(file, Part::Index, nullptr);
  Head head;
  if (file.version() == 1) {
    const auto old = reader.read_struct<HeaderV1>(SectionKind::Header);
    head.header = {old.dim,       old.rows, old.metric, 0, 1,        old.ef_construction,
                   old.ef_search, 16,       8,          0, old.seed, old.next_id};
    head.factory = old.links > 0 ? message("HNSW", old.links) : "Flat";
  } else {
    head.header = reader.read_struct<Header>(SectionKind::Header);
    const auto factory = reader.read<char>(SectionKind::Factory);
    require<FormatError>(factory.size() <= kLongestFactory, "index file ", file.path(), ": the factory is too long");
    head.factory.assign(factory.begin(), factory.end());
  }
  const Header& header = head.header;
  const bool sane = header.dim >= 1 && header.dim <= 1 << 20 && header.rows <= INT32_MAX &&
                    header.metric <= static_cast<uint32_t>(Metric::Hellinger) && header.dtype < std::size(kTypes) &&
                    header.trained <= 1 && header.ef_construction >= 1 && header.ef_construction <= kMostParam &&
                    header.ef_search >= 1 && header.ef_search <= kMostParam && header.nprobe >= 1 &&
                    header.nprobe <= kMostParam && header.k_factor >= 1 && header.k_factor <= kMostParam &&
                    header.next_id >= 0 && (header.trained == 1 || header.rows == 0);
  require<FormatError>(sane, "index file ", file.path(), ": the header holds impossible values");
  return head;
}

IndexOptions options_from(const Head& head) {
  IndexOptions options;
  options.dim = static_cast<int64_t>(head.header.dim);
  options.metric = name_of(static_cast<Metric>(head.header.metric));
  options.factory = head.factory;
  options.dtype = kTypes[head.header.dtype];
  options.seed = head.header.seed;
  options.ef_construction = static_cast<int>(head.header.ef_construction);
  return options;
}

std::unique_ptr<StoredIndex> empty_index(const IndexFile& file, const Head& head) {
  try {
    return std::make_unique<StoredIndex>(options_from(head));
  } catch (const std::invalid_argument& error) {
    throw FormatError(message("index file ", file.path(), ": ", error.what()));
  }
}

/// Rows that add() would have refused, and lengths that are not theirs, would make searches miss other rows.
void require_comparable_rows(const Rows& rows, int64_t dim, const std::string& path) {
  constexpr float kLongest = 2 * kMaxSquaredLength;  // codes may decode to a little more than was added
  constexpr float kRounding = 1e-3F;                 // another machine may have summed in another order
  const ProductView* products = rows.products();
  parallel_for(rows.size(), 1024, [&](int64_t begin, int64_t end, const Worker& worker) {
    std::vector<float> row(static_cast<size_t>(dim));
    for (int64_t i = begin; i < end && !worker.should_stop(); ++i) {
      rows.decode(i, row.data());
      const float squared = dot(row.data(), row.data(), dim);
      bool right = squared <= kLongest;  // false for NaN
      if (products) {
        const float difference = std::abs(squared - products->squared[static_cast<size_t>(i)]);
        right = right && difference <= kRounding * squared + std::numeric_limits<float>::min();
      }
      if (is_histogram(rows.metric())) right = right && *std::min_element(row.begin(), row.end()) >= 0;
      require<FormatError>(right, "index file ", path, ": row ", i, " cannot be; rebuild it or restore a copy");
    }
  });
}

Part part_of_projection(size_t i) { return static_cast<Part>(static_cast<uint32_t>(Part::Projection) + i); }

}  // namespace

void StoredIndex::save(const std::string& path, const std::string& note) const {
  with_sections(note, [&](std::span<const Section> sections) { write_index_file(path, sections); });
}

void StoredIndex::with_sections(const std::string& note,
                                const std::function<void(std::span<const Section>)>& take) const {
  const std::lock_guard no_writer(writing_);  // rows that are half added are in some parts and not in others
  const auto reading = lock_.read();
  const auto dtype = std::find(std::begin(kTypes), std::end(kTypes), options_.dtype) - std::begin(kTypes);
  const Header header{static_cast<uint64_t>(options_.dim),
                      static_cast<uint64_t>(items_.rows()),
                      static_cast<uint32_t>(metric_),
                      static_cast<uint32_t>(dtype),
                      trained_ ? 1U : 0U,
                      static_cast<uint32_t>(options_.ef_construction),
                      static_cast<uint32_t>(params_.ef_search),
                      static_cast<uint32_t>(params_.nprobe),
                      static_cast<uint32_t>(params_.k_factor),
                      0,
                      options_.seed,
                      items_.next_id()};
  SectionWriter file;
  file.copy<Header>(SectionKind::Header, {&header, 1});
  file.borrow<char>(SectionKind::Factory, options_.factory);  // "auto" goes on growing after a load
  file.borrow<char>(SectionKind::Note, note);
  file.borrow(SectionKind::Ids, items_.row_ids());
  file.borrow<uint8_t>(SectionKind::LiveFlags, items_.live_flags());
  file.borrow(SectionKind::Sequence, items_.sequence());
  if (trained_) {
    for (size_t i = 0; i < projections_.size(); ++i) {
      file.begin(part_of_projection(i));
      projections_[i].save(file);
    }
    file.begin(Part::Rows);
    rows_->save(file);
    file.begin(Part::Originals);
    if (originals_) originals_->save(file);
    file.begin(Part::Structure);
    if (structure_) structure_->save(file);
  }
  take(file.sections());
}

std::unique_ptr<StoredIndex> StoredIndex::load(const IndexFile& file, bool map) {
  const Head head = read_head(file);
  auto index = empty_index(file, head);
  index->path_ = file.path();
  index->params_ = {static_cast<int>(head.header.ef_search), static_cast<int>(head.header.nprobe),
                    static_cast<int>(head.header.k_factor)};
  const auto rows = static_cast<int64_t>(head.header.rows);
  const SectionReader reader(file, Part::Index, nullptr);
  index->load_items(reader, rows, head.header.next_id);
  index->load_parts(file, rows, head.header.trained == 1, map);
  const auto note = reader.read<char>(SectionKind::Note);
  index->note_.assign(note.begin(), note.end());
  return index;
}

void StoredIndex::load_items(const SectionReader& file, int64_t rows, int64_t next_id) {
  auto ids = file.read<int64_t>(SectionKind::Ids, rows);
  auto live = file.read<uint8_t>(SectionKind::LiveFlags, rows);
  std::vector<int64_t> sequence;
  if (file.has(SectionKind::Sequence)) sequence = file.read<int64_t>(SectionKind::Sequence);
  const auto check = [](bool right, const char* what) { require<FormatError>(right, "index file: damaged ", what); };
  check(std::all_of(live.begin(), live.end(), [](uint8_t flag) { return flag <= 1; }), "marks of deleted rows");
  check(sequence.empty() || sequence.size() == ids.size(), "sequence: not one entry a row");
  check(std::all_of(sequence.begin(), sequence.end(), [](int64_t place) { return place >= 0 && place <= kLastPlace; }),
        "sequence: impossible place");
  items_.restore(std::move(ids), std::move(live), std::move(sequence), next_id);
}

/// Where the file is mapped, only the rows that exact scores come from stay in it: codes are read all the time.
void StoredIndex::load_parts(const IndexFile& file, int64_t rows, bool trained, bool map) {
  if (!trained) return;
  for (size_t i = 0; i < projections_.size(); ++i)
    projections_[i].load(SectionReader(file, part_of_projection(i), nullptr));
  if (recipe_.grows && file.has(SectionKind::GraphHead, Part::Structure)) grow_graph();
  if (structure_) {
    structure_->load(SectionReader(file, Part::Structure, nullptr), rows);
    rows_->set_centres(structure_->centres());
  }
  if (recipe_.may_code && structure_ && file.version() > 1 && file.has(SectionKind::Vectors, Part::Originals))
    walk_by(make_rows({Codec::Int8, 0}, options_.dim, base_metric(metric_)));
  rows_->load(SectionReader(file, Part::Rows, map && !originals_ ? &mapped_ : nullptr), rows);
  if (originals_) originals_->load(SectionReader(file, Part::Originals, map ? &mapped_ : nullptr), rows);
  trained_ = true;
  const Codec codec = recipe_.codec.codec;
  const bool numbers = codec != Codec::Bits && codec != Codec::SignBits;
  const int64_t coded_dim = projections_.empty() ? options_.dim : projections_.back().dim_out();
  if (numbers && (!map || originals_)) require_comparable_rows(*rows_, coded_dim, file.path());
  if (originals_ && !map) require_comparable_rows(*originals_, options_.dim, file.path());
}

std::string StoredIndex::note() const {
  const auto reading = lock_.read();
  return note_;
}

void StoredIndex::verify() const {
  const auto reading = lock_.read();
  for (const MappedSection& section : mapped_)
    require<FormatError>(checksum(section.data.get(), section.bytes) == section.checksum, "index file ", path_,
                         ": the vectors are damaged; rebuild it or restore a copy");
}

}  // namespace pictrieve
