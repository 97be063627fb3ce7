// Private: a factory string taken apart, and the parts it names.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pictrieve/index/index.h"
#include "pictrieve/index/rows/rows.h"
#include "pictrieve/index/structure.h"

namespace pictrieve {

/// What a vector becomes in memory.
enum class Codec : uint8_t {
  Float32,
  Float16,
  BFloat16,
  Int8,      ///< a byte a number, a scale and an offset a row
  Pq,        ///< 8-bit codes of m sub-vectors
  PqFast,    ///< 4-bit codes, compared 32 rows at a time
  SignBits,  ///< signs of random projections (LSH)
  Bits,      ///< bits that the user brings
};

/// "float32", "float16", "bfloat16", "int8", "pq", "lsh" or "bits".
std::string name_of(Codec codec);

struct CodecSpec {
  Codec codec = Codec::Float32;
  int m = 0;  ///< sub-vectors of a product quantiser; bits of SignBits
};

struct StructureSpec {
  enum class Kind : uint8_t { None, Graph, Lists, Hash } kind = Kind::None;
  int64_t size = 0;      ///< links of a graph, number of lists, bits of a hash
  int coarse_links = 0;  ///< of a graph over the centroids of the lists; 0 compares with all
};

struct ProjectionSpec {
  enum class Kind : uint8_t { Pca, Opq, Rotation } kind = Kind::Pca;
  int64_t dim = 0;  ///< after it; 0 keeps the number
  int m = 0;        ///< sub-vectors that an Opq prepares for
};

/// "PCA64,IVF1024,PQ16,RFlat" as parts.
struct Recipe {
  std::vector<ProjectionSpec> projections;
  StructureSpec structure;
  CodecSpec codec;
  std::optional<CodecSpec> originals;  ///< rows kept beside the codes, for exact scores of the best candidates
  bool may_code = false;               ///< a graph of float rows that does not insist on "Flat"
  bool grows = false;                  ///< "auto": a graph comes once rows are so many that it pays
};

/// "auto" compares with every row up to so many: some milliseconds a query.
inline constexpr int64_t kGraphPaysFrom = 20'000;
inline constexpr int kLinksOfAuto = 32;

/// Throws naming the part that is wrong and what is known. Also where parts and metric do not go together.
Recipe recipe_from(const IndexOptions& options);

std::unique_ptr<Rows> make_rows(const CodecSpec& spec, int64_t dim, Metric base);
std::unique_ptr<Structure> make_structure(const StructureSpec& spec, const IndexOptions& options, int64_t dim);

}  // namespace pictrieve
