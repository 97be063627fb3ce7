// Inner products of byte codes, tile by tile, and which of them may belong to a near row: the first pass of exact
// searches with many queries.
#pragma once

#include <cstdint>

namespace pictrieve {

/// Queries are multiplied in groups: number q of a group has the bytes 4 j .. 4 j + 3 of its code at [j][q][0 .. 3].
inline constexpr int64_t kGroup = 16;
inline constexpr int64_t kTileRows = 32;  ///< rows of one call; codes of so many can be read, whatever their number
inline constexpr int64_t kTileQueries = 4 * kGroup;
/// Longer rows could overflow a 32-bit product: 255 * 127 * kMaxRoughDim < 2^31.
inline constexpr int64_t kMaxRoughDim = INT32_MAX / (255 * 127);

/// Codes of rows are value + 128, those of queries are signed: so the instructions want it.
struct RoughTile {
  const uint8_t* rows = nullptr;
  int64_t count = 0;                ///< of rows, at most kTileRows
  int64_t width = 0;                ///< bytes of a code, as rough_width() has it
  const int8_t* queries = nullptr;  ///< `groups` after one another
  int64_t groups = 0;               ///< at most kTileQueries / kGroup
  const int32_t* start = nullptr;   ///< -128 times the sum of each query's code
};

/// Instructions that products are made of, slow ones first.
enum class RoughKind { None, Words, Bytes, Tiles };

struct RoughKernel {
  int query_limit;                                        ///< codes of queries are in [-query_limit, query_limit]
  void (*products)(const RoughTile& tile, int32_t* out);  ///< out[row * kTileQueries + query], exactly
};

/// The fastest kernel of this machine, null where BLAS has no faster rival.
const RoughKernel* rough_kernel();

/// For tests: no faster kind than this. Gives the kind in use.
RoughKind limit_rough_kind(RoughKind fastest);

/// Bytes of a code of `dim` numbers; those after the numbers are 0 in queries.
int64_t rough_width(int64_t dim);

/// What a row's products need, see Note [bound of rough products].
struct RoughRow {
  float scale;
  float along;
  float base;
  float length;
  float error;
};

/// The same of queries, an array of each.
struct RoughLanes {
  const float* along;
  const float* one;
  const float* error;
  const float* length;
  const float* floor;
};

struct RoughHit {
  float bound;
  int32_t row;    ///< of the tile
  int32_t query;  ///< of the tile
};

/// Writes all of the tile whose upper bound reaches its query's floor and gives their number.
int64_t rough_hits(const int32_t* products, const RoughRow* rows, int64_t count, const RoughLanes& lanes,
                   int64_t queries, RoughHit* out);

}  // namespace pictrieve
