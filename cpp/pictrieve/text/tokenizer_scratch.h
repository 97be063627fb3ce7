// Working memory of one thread that tokenizes; kept from call to call, with the words it has met.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pictrieve/text/word_cache.h"
#include "pictrieve/text/word_splitter.h"

namespace pictrieve {

struct TokenizerScratch {
  std::string normalized, other;  ///< of the normaliser
  std::string words;              ///< a stretch as the model reads it
  SplitText split;                ///< WordPiece's words
  WordCache cache;

  /// A part of a word while byte pairs merge: a linked list in an array.
  struct Symbol {
    int32_t id;
    int32_t previous;
    int32_t next;
  };
  struct Merge {
    int32_t rank;
    int32_t position;
    int32_t id;  ///< what the pair becomes
  };
  std::vector<Symbol> symbols;
  std::vector<Merge> heap;

  /// The best way to write a word up to some byte.
  struct Step {
    double score;
    int32_t begin;  ///< of its last token; -1: none ends here
    int32_t id;
  };
  std::vector<Step> steps;
};

}  // namespace pictrieve
