#include "pictrieve/index/exchange/annoy_file.h"

#include <algorithm>
#include <cstring>

#include "pictrieve/base/error.h"
#include "pictrieve/base/mapped_file.h"

namespace pictrieve {
namespace {

/// An Annoy file is an array of equal nodes: first one for each number up to the largest item's, then the trees, then
/// their roots once more. A node begins with its number of descendants (int32): 1 for an item, 0 for a number that no
/// item has, that of all numbers for a root. An item's vector ends its node.
struct Layout {
  const char* metric;   ///< Annoy's name
  const char* ours;     ///< our name of it
  size_t vector_place;  ///< in bytes from the node's begin
};

constexpr Layout kLayouts[] = {
    {"angular", "cosine", 12}, {"euclidean", "l2", 16},    {"manhattan", "l1", 16},
    {"dot", "ip", 16},         {"hamming", "hamming", 16},
};

const Layout& layout_of(const std::string& metric) {
  const auto* found = std::find_if(std::begin(kLayouts), std::end(kLayouts),
                                   [&](const Layout& layout) { return metric == layout.metric; });
  require(found != std::end(kLayouts), "metric: expected angular, euclidean, manhattan, dot or hamming, got '", metric,
          "'");
  return *found;
}

class Nodes {
 public:
  Nodes(const std::string& path, int64_t dim, const Layout& layout)
      : path_(path), file_(path), layout_(layout), bits_(std::strcmp(layout.metric, "hamming") == 0) {
    require(dim >= 1 && dim <= 1 << 20, "dim: expected 1 to 1048576, got ", dim);
    vector_bytes_ = bits_ ? (static_cast<size_t>(dim) + 63) / 64 * 8 : static_cast<size_t>(dim) * sizeof(float);
    node_bytes_ = layout.vector_place + vector_bytes_;
    const size_t bytes = file_.bytes().size();
    count_ = bytes / node_bytes_;
    check(bytes > 0 && bytes % node_bytes_ == 0);
    const int32_t numbers = descendants(count_ - 1);  // of the last root
    check(numbers >= 1 && static_cast<size_t>(numbers) < count_ && last_occurs_twice(static_cast<size_t>(numbers)));
    for (int32_t i = 0; i < numbers; ++i) {
      check(descendants(static_cast<size_t>(i)) == 0 || descendants(static_cast<size_t>(i)) == 1);
      if (descendants(static_cast<size_t>(i)) == 1) items_.push_back(i);
    }
  }

  bool bits() const { return bits_; }
  const std::vector<int64_t>& items() const { return items_; }

  Matrix<float> floats(int64_t dim) const {
    Matrix<float> rows(static_cast<int64_t>(items_.size()), dim);
    for (size_t i = 0; i < items_.size(); ++i)
      std::memcpy(rows.row(static_cast<int64_t>(i)), vector(items_[i]), vector_bytes_);
    return rows;
  }

  /// Annoy's first bit is the lowest of a byte, ours the highest.
  Matrix<uint8_t> packed(int64_t bytes) const {
    Matrix<uint8_t> rows(static_cast<int64_t>(items_.size()), bytes);
    for (size_t i = 0; i < items_.size(); ++i) {
      for (int64_t b = 0; b < bytes; ++b) {
        const auto from = static_cast<unsigned>(vector(items_[i])[b]);
        unsigned reversed = 0;
        for (unsigned bit = 0; bit < 8; ++bit) reversed |= (from >> bit & 1U) << (7 - bit);
        rows.row(static_cast<int64_t>(i))[b] = static_cast<uint8_t>(reversed);
      }
    }
    return rows;
  }

 private:
  void check(bool right) const {
    require<FormatError>(right, "annoy file ", path_, ": is not an index of ", layout_.metric,
                         " vectors with that dim, or is damaged; pass the dim and metric that it was made with");
  }

  /// A file that was cut between two nodes does not end in the copy of a root.
  bool last_occurs_twice(size_t first) const {
    const std::byte* last = file_.bytes().data() + (count_ - 1) * node_bytes_;
    for (size_t node = count_ - 1; node-- > first;)
      if (std::memcmp(file_.bytes().data() + node * node_bytes_, last, node_bytes_) == 0) return true;
    return false;
  }

  int32_t descendants(size_t node) const {
    int32_t count = 0;
    std::memcpy(&count, file_.bytes().data() + node * node_bytes_, sizeof(count));
    return count;
  }

  const std::byte* vector(int64_t item) const {
    return file_.bytes().data() + static_cast<size_t>(item) * node_bytes_ + layout_.vector_place;
  }

  std::string path_;
  MappedFile file_;
  const Layout& layout_;
  bool bits_;
  size_t vector_bytes_ = 0;
  size_t node_bytes_ = 0;
  size_t count_ = 0;
  std::vector<int64_t> items_;
};

}  // namespace

std::unique_ptr<Index> read_annoy(const std::string& path, int64_t dim, const std::string& metric,
                                  const std::string& factory, const Monitor& monitor) {
  const Layout& layout = layout_of(metric);
  const Nodes nodes(path, dim, layout);
  IndexOptions options;
  options.metric = layout.ours;
  options.dim = nodes.bits() ? (dim + 7) / 8 * 8 : dim;
  options.factory = !factory.empty() ? factory : nodes.bits() ? "BHNSW32" : "HNSW32";
  options.dtype = nodes.bits() ? "bits" : "float32";
  auto index = Index::create(options);
  try {
    if (nodes.bits())
      index->add(MatrixView<const uint8_t>(nodes.packed(options.dim / 8)), nodes.items(), false, monitor);
    else
      index->add(nodes.floats(dim), nodes.items(), false, monitor);
  } catch (const std::invalid_argument& error) {
    throw FormatError(message("annoy file ", path, ": ", error.what()));
  }
  return index;
}

}  // namespace pictrieve
