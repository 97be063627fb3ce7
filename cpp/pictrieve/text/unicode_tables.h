// What the reference tokenizer does with each code point, as sorted tables (see generate_unicode_tables.py).
#pragma once

#include <cstddef>

namespace pictrieve::unicode_tables {

/// Code points first..last; `value` is the combining class in kCombining, the GraphemeClass in kClusters, else 0.
struct CodeRange {
  char32_t first;
  char32_t last;
  int value;
};

/// The full canonical decomposition, filled with 0.
struct Decomposition {
  char32_t code;
  char32_t to[4];
};

/// What two characters become; sorted by both.
struct Composition {
  char32_t first;
  char32_t second;
  char32_t to;
};

struct CaseMapping {
  char32_t code;
  char32_t to[2];
};

extern const CodeRange kDropped[], kSpaces[], kChinese[], kStripped[], kPunctuation[], kCombining[];
extern const size_t kDroppedCount, kSpacesCount, kChineseCount, kStrippedCount, kPunctuationCount, kCombiningCount;
extern const CodeRange kLetters[], kNumbers[], kWhite[];  ///< classes of the reference's regular expressions
extern const size_t kLettersCount, kNumbersCount, kWhiteCount;
extern const CodeRange kClusters[];
extern const size_t kClustersCount;
extern const Decomposition kDecompositions[];  ///< without Hangul syllables, which decompose by arithmetic
extern const size_t kDecompositionsCount;
extern const Composition kCompositions[];  ///< without Hangul
extern const size_t kCompositionsCount;
extern const CaseMapping kLowerCase[];
extern const size_t kLowerCaseCount;

}  // namespace pictrieve::unicode_tables
