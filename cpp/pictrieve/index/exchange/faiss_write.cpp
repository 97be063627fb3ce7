#include <faiss/IndexBinaryFlat.h>
#include <faiss/IndexBinaryHNSW.h>
#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIDMap.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/impl/FaissException.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>

#include "pictrieve/base/error.h"
#include "pictrieve/base/linalg.h"
#include "pictrieve/base/replacing_file.h"
#include "pictrieve/index/exchange/faiss_file.h"
#include "pictrieve/index/stored_index.h"

namespace pictrieve {
namespace {

class FileWriter final : public faiss::IOWriter {
 public:
  explicit FileWriter(ReplacingFile& file) : file_(file) {}
  size_t operator()(const void* data, size_t size, size_t count) override {
    file_.write(data, size * count);
    return count;
  }

 private:
  ReplacingFile& file_;
};

/// A compact copy of an index, taken apart.
struct Parts {
  IndexInfo info;
  Recipe recipe;
  std::vector<int64_t> ids;  ///< by row
  Matrix<float> rows;
  Matrix<uint8_t> bits;          ///< instead of rows
  std::array<int32_t, 2> graph;  ///< entry and its level
  std::vector<int32_t> levels;
  std::vector<int32_t> links;
  std::vector<float> centroids;

  bool ids_are_numbers() const {
    for (size_t i = 0; i < ids.size(); ++i)
      if (ids[i] != static_cast<int64_t>(i)) return false;
    return true;
  }
};

Recipe writable_recipe(const IndexInfo& info) {
  using Kind = StructureSpec::Kind;
  const bool codes = info.dtype == "pq" || info.dtype == "lsh";  // named by the factory alone
  const Recipe recipe = recipe_from({info.dim, info.metric, info.factory, codes ? "float32" : info.dtype});
  const Codec codec = recipe.codec.codec;
  const bool coded = codec == Codec::Pq || codec == Codec::PqFast || codec == Codec::SignBits;
  const auto check = [&](bool right, const char* why) {
    require(right, "write_faiss: ", info.metric, " ", info.factory, " has no like in FAISS: ", why,
            "; add index.reconstruct(index.ids) to an index that has, such as pt.Index(dim, 'l2', 'Flat')");
  };
  check(info.metric == "l2" || info.metric == "ip" || info.metric == "cosine" || info.metric == "l1" ||
            info.metric == "hamming",
        "expected metric l2, ip, cosine, l1 or hamming");
  check(recipe.originals || (!coded && recipe.projections.empty()), "it keeps codes, not vectors");
  check(recipe.structure.kind != Kind::Hash, "expected Flat, HNSW or IVF");
  check(recipe.structure.kind != Kind::Lists || (recipe.projections.empty() && info.metric != "l1"),
        "its lists are of projected vectors, or of l1");
  return recipe;
}

Parts parts_of(const StoredIndex& index, const std::string& path, const Monitor& monitor) {
  std::unique_ptr<StoredIndex> copy;
  index.with_sections(
      "", [&](std::span<const Section> sections) { copy = StoredIndex::load(IndexFile(sections, path), false); });
  copy->compact(monitor);
  Parts parts{copy->info(), writable_recipe(copy->info()), {}, {}, {}, {}, {}, {}, {}};
  copy->with_sections("", [&](std::span<const Section> sections) {
    const IndexFile file(sections, path);
    const SectionReader structure(file, Part::Structure, nullptr);
    parts.ids = SectionReader(file, Part::Index, nullptr).read<int64_t>(SectionKind::Ids);
    if (parts.recipe.structure.kind == StructureSpec::Kind::Graph) {
      parts.graph = structure.read_struct<std::array<int32_t, 2>>(SectionKind::GraphHead);
      parts.levels = structure.read<int32_t>(SectionKind::Levels);
      parts.links = structure.read<int32_t>(SectionKind::Links);
    } else if (parts.recipe.structure.kind == StructureSpec::Kind::Lists) {
      require(parts.info.trained, "write_faiss: the index has no lists yet; add vectors first, or call train()");
      parts.centroids = structure.read<float>(SectionKind::Centroids);
    }
  });
  if (parts.recipe.codec.codec == Codec::Bits)
    parts.bits = copy->reconstruct_bits(parts.ids);
  else
    parts.rows = copy->reconstruct(parts.ids);
  if (parts.info.metric == "cosine") l2_normalize_rows(parts.rows);
  return parts;
}

/// Both have the lists of one row after another, 2M and then M wide.
void fill_graph(faiss::HNSW& hnsw, const Parts& parts) {
  hnsw.entry_point = parts.graph[0];
  hnsw.max_level = parts.graph[1];
  hnsw.efSearch = parts.info.params.ef_search;
  hnsw.levels = parts.levels;
  hnsw.neighbors.assign(parts.links.begin(), parts.links.end());
  hnsw.offsets.assign(1, 0);
  for (const int32_t level : parts.levels)
    hnsw.offsets.push_back(hnsw.offsets.back() +
                           static_cast<size_t>(hnsw.cum_nneighbor_per_level[static_cast<size_t>(level)]));
}

std::unique_ptr<faiss::Index> floats_of(const Parts& parts) {
  const std::string& name = parts.info.metric;
  const auto metric = name == "l2" ? faiss::METRIC_L2 : name == "l1" ? faiss::METRIC_L1 : faiss::METRIC_INNER_PRODUCT;
  const int dim = static_cast<int>(parts.info.dim), size = static_cast<int>(parts.recipe.structure.size);
  if (parts.recipe.structure.kind == StructureSpec::Kind::Graph) {
    auto index = std::make_unique<faiss::IndexHNSWFlat>(dim, size, metric);
    index->storage->add(parts.rows.rows(), parts.rows.data());
    index->ntotal = parts.rows.rows();
    fill_graph(index->hnsw, parts);
    return index;
  }
  if (parts.recipe.structure.kind == StructureSpec::Kind::Lists) {
    auto centroids = std::make_unique<faiss::IndexFlat>(dim, metric);
    centroids->add(size, parts.centroids.data());
    auto index = std::make_unique<faiss::IndexIVFFlat>(centroids.get(), dim, size, metric);
    centroids.release();
    index->own_fields = true;
    index->is_trained = true;
    index->nprobe = static_cast<size_t>(std::min<int>(parts.info.params.nprobe, size));
    index->add_with_ids(parts.rows.rows(), parts.rows.data(), parts.ids.data());
    return index;
  }
  auto index = std::make_unique<faiss::IndexFlat>(dim, metric);
  index->add(parts.rows.rows(), parts.rows.data());
  return index;
}

std::unique_ptr<faiss::IndexBinary> bits_of(const Parts& parts) {
  const int dim = static_cast<int>(parts.info.dim);
  if (parts.recipe.structure.kind == StructureSpec::Kind::None) {
    auto index = std::make_unique<faiss::IndexBinaryFlat>(dim);
    index->add(parts.bits.rows(), parts.bits.data());
    return index;
  }
  auto index = std::make_unique<faiss::IndexBinaryHNSW>(dim, static_cast<int>(parts.recipe.structure.size));
  index->storage->add(parts.bits.rows(), parts.bits.data());
  index->ntotal = parts.bits.rows();
  fill_graph(index->hnsw, parts);
  return index;
}

/// IndexIDMap's own constructor takes empty indexes only.
template <typename Map, typename Index>
std::unique_ptr<Index> mapped(std::unique_ptr<Index> index, const std::vector<int64_t>& ids) {
  auto map = std::make_unique<Map>();
  map->d = index->d;
  if constexpr (requires { map->code_size; }) map->code_size = index->code_size;
  map->ntotal = index->ntotal;
  map->metric_type = index->metric_type;
  map->is_trained = true;
  map->id_map = ids;
  map->own_fields = true;
  map->index = index.release();
  return map;
}

}  // namespace

void write_faiss(const Index& index, const std::string& path, const Monitor& monitor) {
  writable_recipe(index.info());  // before anything is copied
  try {
    Parts parts = parts_of(dynamic_cast<const StoredIndex&>(index), path, monitor);
    ReplacingFile file(path);
    FileWriter writer(file);
    const bool lists = parts.recipe.structure.kind == StructureSpec::Kind::Lists;
    const bool map = !lists && !parts.ids_are_numbers();
    if (parts.recipe.codec.codec == Codec::Bits) {
      auto written = bits_of(parts);
      if (map) written = mapped<faiss::IndexBinaryIDMap>(std::move(written), parts.ids);
      faiss::write_index_binary(written.get(), &writer);
    } else {
      auto written = floats_of(parts);
      parts.rows = {};
      if (map) written = mapped<faiss::IndexIDMap>(std::move(written), parts.ids);
      faiss::write_index(written.get(), &writer);
    }
    file.publish();
  } catch (const faiss::FaissException& error) {
    throw Error(message("write_faiss: ", error.what()));
  }
}

}  // namespace pictrieve
