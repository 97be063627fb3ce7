#define HWY_WANT_AVX3_DL  // counts the bits of eight words in one instruction
#include "pictrieve/index/distance/bit_kernels.h"

#include <hwy/cache_control.h>

#include <bit>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "pictrieve/index/distance/bit_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace pictrieve::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Words = hn::ScalableTag<uint64_t>;
using WordVec = hn::Vec<Words>;

constexpr int64_t kWord = sizeof(uint64_t);
constexpr int64_t kLine = 64;
constexpr int64_t kRowsAhead = 4;

struct Xor {
  HWY_INLINE WordVec operator()(WordVec a, WordVec b) const { return hn::Xor(a, b); }
  HWY_INLINE uint64_t operator()(uint64_t a, uint64_t b) const { return a ^ b; }
};

struct And {
  HWY_INLINE WordVec operator()(WordVec a, WordVec b) const { return hn::And(a, b); }
  HWY_INLINE uint64_t operator()(uint64_t a, uint64_t b) const { return a & b; }
};

struct Or {
  HWY_INLINE WordVec operator()(WordVec a, WordVec b) const { return hn::Or(a, b); }
  HWY_INLINE uint64_t operator()(uint64_t a, uint64_t b) const { return a | b; }
};

HWY_INLINE uint64_t word_at(const uint8_t* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

/// The last `count` < 8 bytes of a row of `dim`, and zeros.
HWY_INLINE uint64_t last_word(const uint8_t* row, int64_t dim, int64_t count) {
  if (dim >= kWord) return word_at(row + dim - kWord) >> (8 * (kWord - count));
  uint64_t word = 0;
  for (int64_t i = 0; i < count; ++i) word |= uint64_t{row[i]} << (8 * i);
  return word;
}

/// Set bits of op(a, b) in bytes [begin, dim), word by word.
template <typename Op>
HWY_INLINE int64_t count_words(const uint8_t* a, const uint8_t* b, int64_t begin, int64_t dim) {
  const Op op;
  int64_t count = 0;
  int64_t i = begin;
  for (; i + kWord <= dim; i += kWord) count += std::popcount(op(word_at(a + i), word_at(b + i)));
  if (i < dim) count += std::popcount(op(last_word(a, dim, dim - i), last_word(b, dim, dim - i)));
  return count;
}

#if HWY_TARGET == HWY_SCALAR
template <typename Op>
HWY_INLINE int64_t count_bits(const uint8_t* a, const uint8_t* b, int64_t dim) {
  return count_words<Op>(a, b, 0, dim);
}
#else
template <typename Op>
HWY_INLINE int64_t count_bits(const uint8_t* HWY_RESTRICT a, const uint8_t* HWY_RESTRICT b, int64_t dim) {
  const Words d;
  const hn::Repartition<uint8_t, Words> bytes;
  const int64_t width = static_cast<int64_t>(hn::Lanes(bytes));
  if (dim < 2 * width) return count_words<Op>(a, b, 0, dim);
  const auto counts_at = [&](int64_t i) HWY_ATTR {
    return hn::PopulationCount(Op()(hn::BitCast(d, hn::LoadU(bytes, a + i)), hn::BitCast(d, hn::LoadU(bytes, b + i))));
  };
  WordVec even = hn::Zero(d), odd = even;
  int64_t i = 0;
  for (; i + 2 * width <= dim; i += 2 * width) {
    even = hn::Add(even, counts_at(i));
    odd = hn::Add(odd, counts_at(i + width));
  }
  if (i + width <= dim) {
    even = hn::Add(even, counts_at(i));
    i += width;
  }
  const uint64_t whole = hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
  return static_cast<int64_t>(whole) + count_words<Op>(a, b, i, dim);
}
#endif

/// Calls compare(row) for each row of a list and asks for those that follow. Rows in order need no asking.
template <typename Compare>
HWY_INLINE void for_each_row(const RowListOf<uint8_t>& list, float* HWY_RESTRICT out, const Compare& compare) {
  for (int64_t i = 0; i < list.count; ++i) {
    if (list.rows && i + kRowsAhead < list.count)
      for (int64_t byte = 0; byte < list.dim; byte += kLine) hwy::Prefetch(list.row(i + kRowsAhead) + byte);
    out[i] = compare(list.row(i));
  }
}

/// Rows of so many words, known when compiled: 64-bit hashes are compared two in the time of one otherwise.
template <int64_t kWords>
HWY_INLINE void hamming_of_words(const uint8_t* query, const RowListOf<uint8_t>& list, float* out) {
  uint64_t words[kWords];
  std::memcpy(words, query, sizeof(words));
  for_each_row(list, out, [&](const uint8_t* row) HWY_ATTR {
    int count = 0;
    for (int64_t w = 0; w < kWords; ++w) count += std::popcount(words[w] ^ word_at(row + w * kWord));
    return static_cast<float>(count);
  });
}

void hamming(const uint8_t* query, const RowListOf<uint8_t>& list, float* out) {
  if (list.dim == kWord) return hamming_of_words<1>(query, list, out);
  if (list.dim == 2 * kWord) return hamming_of_words<2>(query, list, out);
  if (list.dim == 4 * kWord) return hamming_of_words<4>(query, list, out);
  for_each_row(list, out,
               [&](const uint8_t* row) HWY_ATTR { return static_cast<float>(count_bits<Xor>(query, row, list.dim)); });
}

void jaccard(const uint8_t* query, const RowListOf<uint8_t>& list, float* out) {
  for_each_row(list, out, [&](const uint8_t* row) HWY_ATTR {
    const int64_t either = count_bits<Or>(query, row, list.dim);
    if (either == 0) return 1.0F;
    return static_cast<float>(count_bits<And>(query, row, list.dim)) / static_cast<float>(either);
  });
}

}  // namespace pictrieve::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace pictrieve {

HWY_EXPORT(hamming);
HWY_EXPORT(jaccard);

void hamming_distances(const uint8_t* query, const RowListOf<uint8_t>& list, float* out) {
  HWY_DYNAMIC_DISPATCH(hamming)(query, list, out);
}

void jaccard_bits(const uint8_t* query, const RowListOf<uint8_t>& list, float* out) {
  HWY_DYNAMIC_DISPATCH(jaccard)(query, list, out);
}

}  // namespace pictrieve
#endif
