// Raw text -> the normalised words that BERT's vocabulary is looked up with.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pictrieve {

/// Words of one text. Kept by the caller so that many texts share its memory.
struct SplitText {
  struct Word {
    size_t begin;
    size_t size;
    size_t characters;
  };
  std::string normalized;  ///< UTF-8 of all words, without what was between them
  std::vector<Word> words;

  std::string_view text_of(const Word& word) const {
    return std::string_view(normalized).substr(word.begin, word.size);
  }
};

/// Drops control characters, folds accents and case, and cuts at white space, punctuation and Chinese characters, in
/// the order of the reference (BertNormalizer, then BertPreTokenizer).
class WordSplitter {
 public:
  struct Options {
    bool lowercase = true;
    bool strip_accents = true;     ///< decompose canonically and remove nonspacing marks
    bool tokenize_chinese = true;  ///< each Chinese character is a word
  };

  explicit WordSplitter(const Options& options);

  /// Replaces the contents of `out` with the words of `text`.
  void split(std::string_view text, SplitText& out) const;

 private:
  Options options_;
  std::array<char, 128> ascii_;  ///< the letter to write, or an action (see word_splitter.cpp)
};

}  // namespace pictrieve
