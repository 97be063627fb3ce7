// What the reference tokenizer does with each code point, as sorted tables (see generate_unicode_tables.py).
#pragma once

#include <cstddef>

namespace pictrieve::unicode_tables {

/// Code points first..last; `value` is the combining class in kCombining and 0 elsewhere.
struct CodeRange {
  char32_t first;
  char32_t last;
  int value;
};

/// The canonical decomposition without its nonspacing marks, filled with 0.
struct Decomposition {
  char32_t code;
  char32_t to[3];
};

struct CaseMapping {
  char32_t code;
  char32_t to[2];
};

extern const CodeRange kDropped[], kSpaces[], kChinese[], kStripped[], kPunctuation[], kCombining[];
extern const size_t kDroppedCount, kSpacesCount, kChineseCount, kStrippedCount, kPunctuationCount, kCombiningCount;
extern const Decomposition kDecompositions[];  ///< without Hangul syllables, which decompose by arithmetic
extern const size_t kDecompositionsCount;
extern const CaseMapping kLowerCase[];
extern const size_t kLowerCaseCount;

}  // namespace pictrieve::unicode_tables
