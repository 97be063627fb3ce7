#include "pictrieve/text/unigram.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/text/tokenizer_scratch.h"
#include "pictrieve/text/unicode.h"

namespace pictrieve {
namespace {

using Cut = UnigramOptions::Cut;
using Prefix = UnigramOptions::Prefix;

constexpr std::string_view kMark = "\u2581";
constexpr double kUnknownPenalty = 10;

uint64_t step_of(int32_t node, char byte) {
  return static_cast<uint64_t>(static_cast<uint32_t>(node)) << 8 | static_cast<uint8_t>(byte);
}

size_t character_end(std::string_view text, size_t position) {
  next_character(text, position);
  return position;
}

std::string byte_token(int byte) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  return {'<', '0', 'x', kDigits[static_cast<size_t>(byte >> 4)], kDigits[static_cast<size_t>(byte & 15)], '>'};
}

/// The byte that a token such as <0x0A> stands for, -1 for other tokens.
int byte_named(const std::string& token) {
  for (int byte = 0; token.size() == 6 && token.starts_with("<0x") && byte < 256; ++byte)
    if (token == byte_token(byte)) return byte;
  return -1;
}

}  // namespace

UnigramTokenizer::UnigramTokenizer(std::vector<std::string> tokens, std::vector<double> scores,
                                   const UnigramOptions& options, TokenizerFrame frame)
    : Tokenizer(std::move(tokens), std::move(frame)), options_(options), scores_(std::move(scores)), ends_{-1} {
  const auto scored = static_cast<int64_t>(scores_.size());
  require<FormatError>(scored > 0 && scored <= vocab_size(), "scores: expected 1 to ", vocab_size(), ", got ", scored);
  require<FormatError>(options.unknown >= 0 && options.unknown < scored, "unknown: expected a token 0..", scored - 1,
                       ", got ", options.unknown);
  for (int64_t id = 0; id < scored; ++id) {
    require<FormatError>(std::isfinite(scores_[static_cast<size_t>(id)]), "scores[", id, "]: expected a number, got ",
                         scores_[static_cast<size_t>(id)]);
    int32_t node = 0;
    for (const char byte : token(id)) {
      const auto fresh = static_cast<int32_t>(ends_.size());
      children_.insert(step_of(node, byte), {fresh});
      node = children_.find(step_of(node, byte)).first;
      if (node == fresh) ends_.push_back(-1);
    }
    ends_[static_cast<size_t>(node)] = static_cast<int32_t>(id);
  }
  unknown_score_ = *std::ranges::min_element(scores_) - kUnknownPenalty;
  for (int byte = 0; byte < 256 && options.byte_fallback; ++byte) bytes_.push_back(id_of(byte_token(byte)));
  if (std::ranges::find(bytes_, -1) != bytes_.end()) bytes_.clear();
}

void UnigramTokenizer::append_words(std::string_view text, bool at_start, TokenizerScratch& scratch,
                                    std::vector<int32_t>& ids) const {
  if (options_.cut == Cut::Marks || options_.cut == Cut::None) return append_part(text, at_start, scratch, ids);
  const auto parts = [&](char32_t code) {
    return options_.cut == Cut::Blanks ? code == ' ' : word_class(code) == WordClass::White;
  };
  for (size_t begin = 0, position = 0; begin < text.size(); begin = position) {
    size_t end = begin;
    for (; position < text.size(); end = position)
      if (parts(next_character(text, position))) break;
    if (end > begin) append_part(text.substr(begin, end - begin), at_start && begin == 0, scratch, ids);
  }
}

/// Writes spaces as marks, with one in front where the options say so, and cuts before each mark.
void UnigramTokenizer::append_part(std::string_view text, bool at_start, TokenizerScratch& scratch,
                                   std::vector<int32_t>& ids) const {
  std::string& words = scratch.words;
  words.clear();
  const bool prefixed = options_.prefix == Prefix::Always || (options_.prefix == Prefix::First && at_start);
  if (prefixed && !text.starts_with(' ') && !text.starts_with(kMark)) words += kMark;
  for (const char byte : text) {
    if (byte == ' ') {
      words += kMark;
    } else {
      words.push_back(byte);
    }
  }
  for (size_t begin = 0; begin < words.size();) {
    const size_t next = options_.cut == Cut::None ? words.npos : words.find(kMark, begin + 1);
    const size_t end = std::min(next, words.size());
    append_word(std::string_view(words).substr(begin, end - begin), scratch, ids);
    begin = end;
  }
}

void UnigramTokenizer::append_word(std::string_view word, TokenizerScratch& scratch, std::vector<int32_t>& ids) const {
  if (const WordCache::Entry* known = scratch.cache.find(word)) {
    ids.insert(ids.end(), known->ids, known->ids + known->count);
    return;
  }
  find_best(word, scratch);
  const size_t first = ids.size();
  // The way back gives the tokens from the last to the first; neighbours that are unknown are taken together.
  std::vector<std::string_view> parts;
  for (size_t end = word.size(); end > 0;) {
    size_t begin = end;
    bool unknown = true;
    while (unknown && begin > 0 && (begin == end || scratch.steps[begin].id == options_.unknown)) {
      unknown = scratch.steps[begin].id == options_.unknown;
      begin = static_cast<size_t>(scratch.steps[begin].begin);
    }
    parts.push_back(word.substr(begin, end - begin));
    end = begin;
  }
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    if (const int32_t id = id_of(*part); id >= 0) {
      ids.push_back(id);
    } else {
      append_unknown(*part, ids);
    }
  }
  scratch.cache.keep(word, std::span(ids).subspan(first));
}

/// Fills the steps with the best last token for each end.
void UnigramTokenizer::find_best(std::string_view word, TokenizerScratch& scratch) const {
  auto& steps = scratch.steps;
  steps.assign(word.size() + 1, {0, -1, -1});
  const auto offer = [&](size_t begin, size_t end, int32_t id, double score) {
    TokenizerScratch::Step& step = steps[end];
    if (const double sum = score + steps[begin].score; step.begin < 0 || sum > step.score)
      step = {sum, static_cast<int32_t>(begin), id};
  };
  for (size_t begin = 0; begin < word.size();) {
    const size_t single = character_end(word, begin);
    bool has_single = false;
    int32_t node = 0;
    for (size_t end = begin; end < word.size();) {
      node = children_.find(step_of(node, word[end])).first;
      if (node < 0) break;
      ++end;
      const int32_t id = ends_[static_cast<size_t>(node)];
      if (id < 0) continue;
      offer(begin, end, id, scores_[static_cast<size_t>(id)]);
      has_single = has_single || end == single;
    }
    if (!has_single) offer(begin, single, options_.unknown, unknown_score_);
    begin = single;
  }
}

void UnigramTokenizer::append_unknown(std::string_view text, std::vector<int32_t>& ids) const {
  if (bytes_.empty()) return ids.push_back(options_.unknown);
  for (const char byte : text) ids.push_back(bytes_[static_cast<uint8_t>(byte)]);
}

std::string UnigramTokenizer::join(std::span<const int64_t> ids) const {
  std::string bytes, text;
  for (const int64_t id : ids) {
    const int byte = options_.byte_fallback ? byte_named(token(id)) : -1;
    if (byte >= 0) {
      bytes.push_back(static_cast<char>(byte));
    } else {
      bytes += written(id);
    }
  }
  const Normalizer spaces({{NormalizerStep::Kind::Replace, std::string(kMark), " "}});
  for (size_t position = 0; position < bytes.size();) append_utf8(next_character(bytes, position), text);
  text = spaces.apply(text);
  return options_.prefix != Prefix::Never && text.starts_with(' ') ? text.substr(1) : text;
}

}  // namespace pictrieve
