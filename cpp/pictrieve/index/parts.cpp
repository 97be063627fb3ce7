// Each codec and structure by its name in a recipe: the only file that knows them all.
#include "pictrieve/base/error.h"
#include "pictrieve/index/factory.h"
#include "pictrieve/index/graph/hnsw_graph.h"
#include "pictrieve/index/hash/binary_hash.h"
#include "pictrieve/index/lists/inverted_lists.h"
#include "pictrieve/index/rows/bit_rows.h"
#include "pictrieve/index/rows/float_rows.h"
#include "pictrieve/index/rows/half_rows.h"
#include "pictrieve/index/rows/int8_rows.h"
#include "pictrieve/index/rows/pq_fast_rows.h"
#include "pictrieve/index/rows/pq_rows.h"
#include "pictrieve/index/rows/sign_rows.h"

namespace pictrieve {

std::unique_ptr<Rows> make_rows(const CodecSpec& spec, int64_t dim, Metric base) {
  switch (spec.codec) {
    case Codec::Float32:
      return std::make_unique<FloatRows>(dim, base);
    case Codec::Float16:
      return std::make_unique<HalfRows<Float16>>(dim, base);
    case Codec::BFloat16:
      return std::make_unique<HalfRows<BFloat16>>(dim, base);
    case Codec::Int8:
      return std::make_unique<Int8Rows>(dim, base);
    case Codec::SignBits:
      return std::make_unique<SignRows>(dim, spec.m);
    case Codec::Bits:
      return std::make_unique<BitRows>(dim, base);
    case Codec::Pq:
      return std::make_unique<PqRows>(dim, spec.m, base);
    case Codec::PqFast:
      return std::make_unique<PqFastRows>(dim, spec.m, base);
  }
  return nullptr;
}

std::unique_ptr<Structure> make_structure(const StructureSpec& spec, const IndexOptions& options, int64_t dim) {
  switch (spec.kind) {
    case StructureSpec::Kind::None:
      return nullptr;
    case StructureSpec::Kind::Graph:
      return std::make_unique<HnswGraph>(static_cast<int>(spec.size), options.ef_construction, options.seed);
    case StructureSpec::Kind::Hash:
      return std::make_unique<BinaryHash>(spec.size, dim, base_metric(metric_from_name(options.metric)));
    case StructureSpec::Kind::Lists:
      return std::make_unique<InvertedLists>(
          ListOptions{spec.size, spec.coarse_links, options.ef_construction, options.seed}, dim,
          base_metric(metric_from_name(options.metric)));
  }
  return nullptr;
}

}  // namespace pictrieve
