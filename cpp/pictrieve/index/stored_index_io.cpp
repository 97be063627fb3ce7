#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>

#include "pictrieve/base/checksum.h"
#include "pictrieve/base/error.h"
#include "pictrieve/index/hnsw_links.h"
#include "pictrieve/index/index_file.h"
#include "pictrieve/index/stored_index.h"

namespace pictrieve {
namespace {

/// The Header section. Vectors are rows x dim float32; SquaredLengths, Ids (int64), LiveFlags (a byte each) and Levels
/// (int32, 1 for rows of the base level only) have one entry a row. Links (int32) holds for each row its lists from
/// level 0 up, 2M and then M wide, ended by -1. Flat indexes have no Levels and Links.
struct Header {
  uint64_t dim;
  uint64_t rows;
  uint32_t metric;
  uint32_t links;  ///< M, or 0 for Flat
  uint32_t ef_construction;
  uint32_t ef_search;
  uint64_t seed;
  int32_t entry;
  int32_t max_level;
  int64_t next_id;  ///< the id that the next row gets on its own: no id comes twice, whatever was removed
};
static_assert(sizeof(Header) == 56, "no gaps: the bytes are the file's");

template <typename T>
Section section(SectionKind kind, std::span<const T> values) {
  return {kind, values.data(), values.size_bytes()};
}

Header checked_header(const IndexFile& file) {
  Header header;
  file.read(SectionKind::Header, &header, sizeof(header));
  const bool sane = header.dim >= 1 && header.dim <= 1 << 20 && header.rows <= INT32_MAX && header.metric <= 2 &&
                    header.links != 1 && header.links <= 256 && header.ef_construction >= 1 &&
                    header.ef_construction <= INT32_MAX && header.ef_search >= 1 && header.ef_search <= INT32_MAX &&
                    header.next_id >= 0;
  require<FormatError>(sane, "index file: the header holds impossible values");
  require<FormatError>(file.length(SectionKind::Vectors) == header.rows * header.dim * sizeof(float),
                       "index file: expected ", header.rows, " vectors of ", header.dim, " numbers, got ",
                       file.length(SectionKind::Vectors), " bytes");
  return header;
}

template <typename T>
std::vector<T> read_rows(const IndexFile& file, SectionKind kind, uint64_t rows) {
  require<FormatError>(file.length(kind) == rows * sizeof(T), "index file: section ", static_cast<uint32_t>(kind),
                       " does not have one entry a row");
  return file.read_all<T>(kind);
}

IndexOptions options_from(const Header& header) {
  IndexOptions options;
  options.dim = static_cast<int64_t>(header.dim);
  options.metric = name_of(static_cast<Metric>(header.metric));
  options.factory = header.links > 0 ? message("HNSW", header.links) : "Flat";
  options.seed = header.seed;
  options.ef_construction = static_cast<int>(header.ef_construction);
  return options;
}

}  // namespace

void StoredIndex::save(const std::string& path, const std::string& note) const {
  const std::shared_lock lock(mutex_);
  Header header{};
  header.dim = static_cast<uint64_t>(store_.dim());
  header.rows = static_cast<uint64_t>(store_.rows());
  header.metric = static_cast<uint32_t>(store_.metric());
  header.links = static_cast<uint32_t>(links_from_factory(options_.factory));
  header.ef_construction = static_cast<uint32_t>(options_.ef_construction);
  header.ef_search = static_cast<uint32_t>(ef_search_);
  header.seed = options_.seed;
  header.entry = graph_ ? graph_->links().entry() : -1;
  header.max_level = graph_ ? graph_->links().max_level() : -1;
  header.next_id = store_.next_id();
  const size_t numbers = static_cast<size_t>(store_.rows() * store_.dim());
  std::vector<Section> sections{
      section<Header>(SectionKind::Header, {&header, 1}),
      section<float>(SectionKind::Vectors, {store_.vectors(), numbers}),
      section<float>(SectionKind::SquaredLengths, store_.squared()),
      section<int64_t>(SectionKind::Ids, store_.row_ids()),
      section<uint8_t>(SectionKind::LiveFlags, store_.live_flags()),
      section<char>(SectionKind::Note, {note.data(), note.size()}),
  };
  if (graph_) {
    sections.push_back(section<int32_t>(SectionKind::Levels, graph_->links().levels()));
    sections.push_back(section<int32_t>(SectionKind::Links, graph_->links().all_links()));
  }
  write_index_file(path, sections);
}

std::unique_ptr<Index> StoredIndex::load(const std::string& path, bool map) {
  const IndexFile file(path);
  const Header header = checked_header(file);
  auto index = std::make_unique<StoredIndex>(options_from(header));
  index->ef_search_ = static_cast<int>(header.ef_search);

  auto squared = read_rows<float>(file, SectionKind::SquaredLengths, header.rows);
  for (const float length : squared)
    require<FormatError>(length >= 0 && length <= kMaxSquaredLength, "index file: impossible length of a vector");
  auto ids = read_rows<int64_t>(file, SectionKind::Ids, header.rows);
  auto live = read_rows<uint8_t>(file, SectionKind::LiveFlags, header.rows);
  const std::vector<char> note = file.read_all<char>(SectionKind::Note);
  index->note_.assign(note.begin(), note.end());

  std::shared_ptr<float[]> vectors;
  const int64_t numbers = static_cast<int64_t>(header.rows * header.dim);
  if (map) {
    vectors = file.map_floats(SectionKind::Vectors);
    index->unchecked_ = {path, vectors, static_cast<int64_t>(header.rows), file.checksum_of(SectionKind::Vectors)};
  } else {
    vectors = row_memory(numbers);
    file.read(SectionKind::Vectors, vectors.get(), static_cast<uint64_t>(numbers) * sizeof(float));
  }
  index->store_.restore(std::move(vectors), std::move(squared), std::move(ids), std::move(live), header.next_id);
  if (header.links > 0) {
    const auto levels = read_rows<int32_t>(file, SectionKind::Levels, header.rows);
    const auto links = file.read_all<int32_t>(SectionKind::Links);
    index->graph_->links().restore(levels, links, header.entry, header.max_level);
  }
  return index;
}

std::string StoredIndex::note() const {
  const std::shared_lock lock(mutex_);
  return note_;
}

void StoredIndex::verify() const {
  const std::shared_lock lock(mutex_);
  if (unchecked_.path.empty()) return;
  const size_t bytes = static_cast<size_t>(unchecked_.rows * store_.dim()) * sizeof(float);
  require<FormatError>(checksum(unchecked_.vectors.get(), bytes) == unchecked_.checksum, "index file ", unchecked_.path,
                       ": the vectors are damaged; rebuild it or restore a copy");
}

}  // namespace pictrieve
