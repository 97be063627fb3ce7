// Product-quantised rows: a row is m codes, a query is a table of what each code adds to its key. Codes of 8 bits are
// looked up in memory; codes of 4 bits in registers, 32 rows at a time (Andre, Kermarrec, Le Scouarnec, "Cache locality
// is not enough", VLDB 2015, and "Accelerated nearest neighbor search with Quick ADC", ICMR 2017).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "pictrieve/index/distance/row_list.h"

namespace pictrieve {

/// out[i] = sum over j < m of table[256 j + code j of the i-th row]. Rows are `codes.dim` >= m bytes apart.
void pq_products(const float* table, int64_t m, const RowListOf<uint8_t>& codes, float* out);

/// Codes of 4 bits lie in blocks of 32 rows. A block holds 16 bytes for each of its m codes, and then of zeros up to a
/// multiple of four codes; byte b of code j has that of row b in its low half and that of row b + 16 in its high half.
inline constexpr int64_t kBlockRows = 32;
inline constexpr int64_t packed_block_bytes(int64_t m) { return (m + 3) / 4 * 64; }
inline constexpr int64_t packed_bytes(int64_t rows, int64_t m) {
  return (rows + kBlockRows - 1) / kBlockRows * packed_block_bytes(m);
}

/// Puts `count` rows of m codes (a byte each, below 16) into blocks as rows first, first + 1, ...; rows before `first`
/// and after the last stay. `blocks` has packed_bytes(first + count, m) bytes; new ones need no initial value: the
/// block of a row with number 32 n is cleared before that row is written.
void pack_codes(const uint8_t* codes, int64_t count, int64_t m, int64_t first, uint8_t* blocks);

/// The reverse: rows first, first + 1, ... as m bytes each.
void unpack_codes(const uint8_t* blocks, int64_t first, int64_t count, int64_t m, uint8_t* codes);

/// A query's m x 16 table in 8 bits, with what turns sums of its entries into keys: key ~ bias + scale * sum.
struct PackedTable {
  std::vector<uint8_t> entries;  ///< 16 for each code, then zeros up to a multiple of four codes
  int64_t m = 0;
  float scale = 0;
  float bias = 0;
  float error = 0;  ///< how far bias + scale * sum may be from the sum of the float table, at most

  float key(uint16_t sum) const { return bias + scale * static_cast<float>(sum); }
};

/// One step for all codes, so that sums can be compared: the widest range of a code's 16 entries is 255 steps, fewer
/// where m > 257 such entries could pass 65535. m <= 65535.
PackedTable packed_table(const float* table, int64_t m);

/// Rows in blocks to compare with: rows[i] or, where `rows` is null, first + i, which need not begin a block.
struct PackedRows {
  const uint8_t* blocks = nullptr;
  const int32_t* rows = nullptr;
  int64_t first = 0;
  int64_t count = 0;
};

/// out[i] = sum of the table's entries for the i-th row. Rows in order take a fiftieth of the time of others.
void packed_sums(const PackedTable& table, const PackedRows& list, uint16_t* out);

/// out[i] = table.key(sums[i]).
void packed_keys(const PackedTable& table, std::span<const uint16_t> sums, float* out);

}  // namespace pictrieve
