#include <cxxabi.h>
#include <faiss/IndexBinaryFlat.h>
#include <faiss/IndexBinaryHNSW.h>
#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIDMap.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/impl/FaissException.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>

#include <array>
#include <cstring>
#include <new>
#include <numeric>

#include "pictrieve/base/error.h"
#include "pictrieve/base/mapped_file.h"
#include "pictrieve/index/exchange/faiss_file.h"
#include "pictrieve/index/stored_index.h"

namespace pictrieve {
namespace {

class BytesReader final : public faiss::IOReader {
 public:
  explicit BytesReader(std::span<const std::byte> bytes) : left_(bytes) {}

  size_t operator()(void* to, size_t size, size_t count) override {
    const size_t read = size == 0 ? 0 : std::min(count, left_.size() / size);
    if (read > 0) std::memcpy(to, left_.data(), read * size);
    left_ = left_.subspan(read * size);
    return read;
  }

 private:
  std::span<const std::byte> left_;
};

template <typename T>
std::string type_of(const T& object) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(typeid(object).name(), nullptr, nullptr, &status), std::free);
  return status == 0 ? name.get() : typeid(object).name();
}

/// What an index of FAISS holds, in our terms.
struct Contents {
  int64_t dim = 0;
  std::string metric;
  std::string factory;  ///< empty where we have no such type
  Matrix<float> rows;
  Matrix<uint8_t> bits;  ///< instead of rows
  std::vector<int64_t> ids;
  SectionWriter structure;  ///< as a file of ours has it; empty where rows are only to be added
  int ef_construction = 200;

  bool is_bits() const { return metric == "hamming"; }
  VectorsView vectors() const {
    return is_bits() ? VectorsView(MatrixView<const uint8_t>(bits)) : VectorsView(MatrixView<const float>(rows));
  }
};

class Reading {
 public:
  Reading(const std::string& path, const std::string& factory) : path_(path), factory_(factory) {}

  Contents floats(const faiss::Index& file) {
    Contents contents;
    const auto* map = dynamic_cast<const faiss::IndexIDMap*>(&file);
    const faiss::Index& index = map ? *map->index : file;
    contents.dim = index.d;
    contents.metric = metric_of(index);
    contents.factory = factory_.empty() ? factory_of(index) : factory_;
    check(!contents.factory.empty(), "an index of type ", type_of(index),
          " has no like here; pass a factory such as 'HNSW32' to take over the vectors that it decodes to");
    check(index.d >= 1 && index.ntotal >= 0, "impossible size");
    take_rows(index, contents);
    take_ids(map ? &map->id_map : nullptr, index.ntotal, contents);
    return contents;
  }

  Contents bits(const faiss::IndexBinary& file) {
    Contents contents;
    const auto* map = dynamic_cast<const faiss::IndexBinaryIDMap*>(&file);
    const faiss::IndexBinary& index = map ? *map->index : file;
    const auto* graph = dynamic_cast<const faiss::IndexBinaryHNSW*>(&index);
    const auto* flat = dynamic_cast<const faiss::IndexBinaryFlat*>(graph ? graph->storage : &index);
    check(flat, "an index of type ", type_of(index),
          " has no like here; write it as IndexBinaryFlat or IndexBinaryHNSW");
    const size_t bytes = static_cast<size_t>(flat->ntotal * flat->code_size);
    check(flat->ntotal == index.ntotal && flat->xb.size() == bytes, "impossible size");
    contents.dim = index.d;
    contents.metric = "hamming";
    contents.factory = graph ? message("BHNSW", links_of(graph->hnsw)) : "BFlat";
    if (!factory_.empty()) contents.factory = factory_;
    contents.bits = Matrix<uint8_t>(flat->ntotal, flat->code_size);
    std::copy(flat->xb.begin(), flat->xb.end(), contents.bits.data());
    if (graph) take_graph(graph->hnsw, contents);
    take_ids(map ? &map->id_map : nullptr, index.ntotal, contents);
    return contents;
  }

 private:
  template <typename... Parts>
  void check(bool right, const Parts&... parts) const {
    require<FormatError>(right, "faiss file ", path_, ": ", parts...);
  }

  std::string metric_of(const faiss::Index& index) const {
    if (index.metric_type == faiss::METRIC_L2) return "l2";
    if (index.metric_type == faiss::METRIC_INNER_PRODUCT) return "ip";
    check(index.metric_type == faiss::METRIC_L1, "metric ", static_cast<int>(index.metric_type),
          " is not known; expected METRIC_L2, METRIC_INNER_PRODUCT or METRIC_L1");
    return "l1";
  }

  /// M of the usual graph, which has lists of 2M at level 0 and of M above.
  int links_of(const faiss::HNSW& hnsw) const {
    const auto& widths = hnsw.cum_nneighbor_per_level;
    bool usual = widths.size() >= 3 && widths[0] == 0;
    for (size_t level = 1; usual && level < widths.size(); ++level)
      usual = widths[level] == widths[1] / 2 * (static_cast<int>(level) + 1);
    check(usual, "the graph has lists of unusual lengths; pass a factory such as 'HNSW32' to build it anew");
    return widths[1] / 2;
  }

  static std::string codec_of(const faiss::Index& index) {
    if (dynamic_cast<const faiss::IndexFlat*>(&index)) return "Flat";
    const auto* scalar = dynamic_cast<const faiss::IndexScalarQuantizer*>(&index);
    if (!scalar) return "";
    return scalar->sq.qtype == faiss::ScalarQuantizer::QT_fp16 ? "SQfp16" : "SQ8";
  }

  std::string factory_of(const faiss::Index& index) const {
    std::string codec = codec_of(index), structure;
    if (const auto* graph = dynamic_cast<const faiss::IndexHNSW*>(&index)) {
      codec = codec_of(*graph->storage);
      structure = message("HNSW", links_of(graph->hnsw), ",");
    } else if (const auto* lists = dynamic_cast<const faiss::IndexIVF*>(&index)) {
      structure = message("IVF", lists->nlist, ",");
      if (dynamic_cast<const faiss::IndexIVFFlat*>(lists)) codec = "Flat";
      if (const auto* scalar = dynamic_cast<const faiss::IndexIVFScalarQuantizer*>(lists))
        codec = scalar->sq.qtype == faiss::ScalarQuantizer::QT_fp16 ? "SQfp16" : "SQ8";
    }
    return codec.empty() ? "" : structure + codec;
  }

  void take_rows(const faiss::Index& index, Contents& contents) const {
    contents.rows = Matrix<float>(index.ntotal, index.d);
    if (const auto* lists = dynamic_cast<const faiss::IndexIVF*>(&index)) return take_lists(*lists, contents);
    const faiss::Index* holder = &index;
    if (const auto* graph = dynamic_cast<const faiss::IndexHNSW*>(&index)) {
      holder = graph->storage;
      take_graph(graph->hnsw, contents);
    }
    check(holder->ntotal == index.ntotal && holder->d == index.d, "the graph is not of these vectors");
    if (const auto* codes = dynamic_cast<const faiss::IndexFlatCodes*>(holder))
      check(codes->codes.size() == static_cast<size_t>(codes->ntotal) * codes->code_size, "impossible size");
    if (index.ntotal > 0) holder->reconstruct_n(0, index.ntotal, contents.rows.data());
  }

  /// Reading what this writes checks every link.
  void take_graph(const faiss::HNSW& hnsw, Contents& contents) const {
    if (!factory_.empty()) return;
    const std::array<int32_t, 2> head{hnsw.entry_point, hnsw.max_level};
    const std::vector<int32_t> links(hnsw.neighbors.begin(), hnsw.neighbors.end());
    contents.ef_construction = std::max(1, hnsw.efConstruction);
    contents.structure.begin(Part::Structure);
    contents.structure.copy<int32_t>(SectionKind::GraphHead, head);
    contents.structure.copy<int32_t>(SectionKind::Levels, hnsw.levels);
    contents.structure.copy<int32_t>(SectionKind::Links, links);
  }

  /// Rows in the order of the lists, which have their ids.
  void take_lists(const faiss::IndexIVF& index, Contents& contents) const {
    const auto count = static_cast<size_t>(index.ntotal);
    std::vector<int32_t> filled, ranges;
    for (size_t list = 0; list < index.nlist; ++list) {
      const size_t size = index.invlists->list_size(list), first = contents.ids.size();
      check(size <= count - first, "the lists hold more than the index");
      filled.push_back(size > 0);
      if (size == 0) continue;
      ranges.insert(ranges.end(), {static_cast<int32_t>(first), static_cast<int32_t>(first + size)});
      const faiss::InvertedLists::ScopedIds ids(index.invlists, list);
      for (size_t i = 0; i < size; ++i) {
        float* row = contents.rows.row(static_cast<int64_t>(first + i));
        index.reconstruct_from_offset(static_cast<int64_t>(list), static_cast<int64_t>(i), row);
        contents.ids.push_back(ids[i]);
      }
    }
    check(contents.ids.size() == count, "the lists hold less than the index");
    if (!factory_.empty()) return;
    const auto lists = static_cast<int64_t>(index.nlist);
    check(index.quantizer->ntotal == lists && index.quantizer->d == index.d, "the centroids are not of these lists");
    std::vector<float> centroids(index.nlist * static_cast<size_t>(index.d));
    index.quantizer->reconstruct_n(0, lists, centroids.data());
    filled.insert(filled.end(), ranges.begin(), ranges.end());
    contents.structure.begin(Part::Structure);
    contents.structure.copy<float>(SectionKind::Centroids, centroids);
    contents.structure.copy<int32_t>(SectionKind::ListOffsets, filled);
  }

  /// An IDMap's ids stand for the numbers that the index inside gives.
  void take_ids(const std::vector<int64_t>* map, int64_t count, Contents& contents) const {
    if (contents.ids.empty()) {
      contents.ids.resize(static_cast<size_t>(count));
      std::iota(contents.ids.begin(), contents.ids.end(), int64_t{0});
    }
    if (!map) return;
    for (int64_t& id : contents.ids) {
      check(id >= 0 && static_cast<size_t>(id) < map->size(), "an id outside of the id map");
      id = (*map)[static_cast<size_t>(id)];
    }
  }

  const std::string& path_;
  const std::string& factory_;
};

/// The sections of an index that compares with every row, and those of a structure, are a whole index's.
std::unique_ptr<Index> with_structure(const StoredIndex& plain, const Contents& contents, const std::string& path) {
  std::unique_ptr<Index> index;
  const std::string& factory = contents.factory;
  plain.with_sections("", [&](std::span<const Section> of_plain) {
    std::vector<Section> sections(contents.structure.sections().begin(), contents.structure.sections().end());
    sections.push_back({SectionKind::Factory, Part::Index, factory.data(), factory.size()});
    for (const Section& section : of_plain)
      if (section.part != Part::Structure && section.kind != SectionKind::Factory) sections.push_back(section);
    index = StoredIndex::load(IndexFile(sections, path), false);
  });
  return index;
}

std::unique_ptr<Index> index_from(const Contents& contents, const std::string& path, const Monitor& monitor) {
  const bool structured = !contents.structure.sections().empty();
  IndexOptions options;
  options.dim = contents.dim;
  options.metric = contents.metric;
  options.factory = contents.factory;
  options.dtype = contents.is_bits() ? "bits" : "float32";
  options.ef_construction = contents.ef_construction;
  if (structured) {  // "HNSW32,Flat" begins as "Flat", "BHNSW32" as "BFlat"
    const size_t comma = contents.factory.find(',');
    options.factory = comma == std::string::npos ? "BFlat" : contents.factory.substr(comma + 1);
  }
  auto index = std::make_unique<StoredIndex>(options);
  try {
    index->add(contents.vectors(), contents.ids, false, monitor);
  } catch (const std::invalid_argument& error) {
    throw FormatError(message("faiss file ", path, ": ", error.what()));
  }
  if (structured) return with_structure(*index, contents, path);
  return index;
}

}  // namespace

std::unique_ptr<Index> read_faiss(const std::string& path, const std::string& factory, const Monitor& monitor) {
  const MappedFile file(path);
  BytesReader bytes(file.bytes());
  const bool binary = file.bytes().size() >= 2 && std::memcmp(file.bytes().data(), "IB", 2) == 0;
  try {
    Reading reading(path, factory);
    if (binary) {
      const std::unique_ptr<faiss::IndexBinary> index(faiss::read_index_binary(&bytes));
      return index_from(reading.bits(*index), path, monitor);
    }
    const std::unique_ptr<faiss::Index> index(faiss::read_index(&bytes));
    return index_from(reading.floats(*index), path, monitor);
  } catch (const faiss::FaissException& error) {
    throw FormatError(message("faiss file ", path, ": ", error.what(),
                              "; expected an index of a type that FAISS 1.7.3 knows, in a whole file"));
  } catch (const std::bad_alloc&) {
    throw FormatError(message("faiss file ", path, ": asks for more memory than there is; it may be damaged"));
  }
}

}  // namespace pictrieve
