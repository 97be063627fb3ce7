#include "pictrieve/text/bpe.h"

#include <algorithm>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/text/tokenizer_scratch.h"
#include "pictrieve/text/unicode.h"

namespace pictrieve {
namespace {

using Symbol = TokenizerScratch::Symbol;
using Merge = TokenizerScratch::Merge;

/// Printable bytes stand for themselves, the others for U+0100 and following in their order.
char32_t character_of(int byte) {
  const auto is_printable = [](int b) { return (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xFF && b != 0xAD); };
  if (is_printable(byte)) return static_cast<char32_t>(byte);
  char32_t code = 0x100;
  for (int b = 0; b < byte; ++b) code += is_printable(b) ? 0 : 1;
  return code;
}

uint64_t pair_of(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

/// The heap gives the merge of the least rank first, and the leftmost of these.
bool is_later(const Merge& a, const Merge& b) { return std::pair(a.rank, a.position) > std::pair(b.rank, b.position); }

}  // namespace

BpeTokenizer::BpeTokenizer(std::vector<std::string> tokens, const std::vector<std::string>& merges, BpeOptions options,
                           TokenizerFrame frame)
    : Tokenizer(std::move(tokens), std::move(frame)), options_(std::move(options)) {
  require<FormatError>(options_.unknown >= -1 && options_.unknown < vocab_size(), "unknown: expected -1..",
                       vocab_size() - 1, ", got ", options_.unknown);
  bytes_.fill(-1);
  for (size_t byte = 0; byte < characters_.size(); ++byte) {
    const char32_t code = character_of(static_cast<int>(byte));
    append_utf8(code, characters_[byte]);
    bytes_[code] = static_cast<int16_t>(byte);
    inner_[byte] = id_of(characters_[byte]);
    last_[byte] = id_of(characters_[byte] + options_.end_of_word);
  }
  merges_.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) add_merge(merges[rank], static_cast<int32_t>(rank));
}

void BpeTokenizer::add_merge(const std::string& merge, int32_t rank) {
  const size_t space = merge.find(' ');
  require<FormatError>(space != std::string::npos && merge.find(' ', space + 1) == std::string::npos, "merges[", rank,
                       "]: expected two tokens and one space between, got '", merge, "'");
  const std::string left = merge.substr(0, space), right = merge.substr(space + 1);
  const auto known = [&](const std::string& token) {
    const int32_t id = id_of(token);
    require<FormatError>(id >= 0, "merges[", rank, "]: '", merge, "' needs a token '", token,
                         "', which the vocabulary of ", vocab_size(), " tokens lacks");
    return id;
  };
  const uint64_t pair = pair_of(known(left), known(right));
  require<FormatError>(merges_.find(pair).first < 0, "merges[", rank, "]: '", merge, "' stands twice");
  merges_.insert(pair, {rank, known(left + right)});
}

void BpeTokenizer::append_words(std::string_view text, bool /*at_start*/, TokenizerScratch& scratch,
                                std::vector<int32_t>& ids) const {
  if (options_.add_prefix_space && !text.starts_with(' ')) text = scratch.words.assign(1, ' ').append(text);
  const bool drops_white = options_.pattern == WordPattern::Clip || options_.pattern == WordPattern::ClipMarked;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = word_end(options_.pattern, text, begin);
    const std::string_view word = text.substr(begin, end - begin);
    size_t first = begin;
    begin = end;
    if (drops_white && word_class(next_character(text, first)) == WordClass::White) continue;
    if (options_.pattern == WordPattern::ClipMarked && word.starts_with("<|") && word.size() > 2) {
      // The reference cuts once more by GPT-2's expression, which changes nothing but the marks.
      for (size_t part = 0; part < word.size();) {
        const size_t part_end = word_end(WordPattern::Gpt2, word, part);
        append_word(word.substr(part, part_end - part), scratch, ids);
        part = part_end;
      }
    } else {
      append_word(word, scratch, ids);
    }
  }
}

void BpeTokenizer::append_word(std::string_view word, TokenizerScratch& scratch, std::vector<int32_t>& ids) const {
  if (const WordCache::Entry* known = scratch.cache.find(word)) [[likely]] {
    ids.insert(ids.end(), known->ids, known->ids + known->count);
    return;
  }
  const size_t first = ids.size();
  merge_word(word, scratch, ids);
  scratch.cache.keep(word, std::span(ids).subspan(first));
}

void BpeTokenizer::merge_word(std::string_view word, TokenizerScratch& scratch, std::vector<int32_t>& ids) const {
  if (options_.whole_words) {
    std::string written;
    for (const char byte : word) written += characters_[static_cast<uint8_t>(byte)];
    if (const int32_t id = id_of(written); id >= 0) return ids.push_back(id);
  }
  auto& symbols = scratch.symbols;
  auto& heap = scratch.heap;
  append_symbols(word, scratch);
  heap.clear();
  for (size_t i = 0; i + 1 < symbols.size(); ++i) push_merge(static_cast<int32_t>(i), scratch);
  while (!heap.empty()) {
    std::ranges::pop_heap(heap, is_later);
    const Merge merge = heap.back();
    heap.pop_back();
    Symbol& left = symbols[static_cast<size_t>(merge.position)];
    if (left.id < 0 || left.next < 0) continue;
    Symbol& right = symbols[static_cast<size_t>(left.next)];
    // An entry is out of date where its symbols make something else by now.
    if (const auto product = merges_.find(pair_of(left.id, right.id)); product.first < 0 || product.second != merge.id)
      continue;
    left.id = merge.id;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = merge.position;
    if (left.previous >= 0) push_merge(left.previous, scratch);
    push_merge(merge.position, scratch);
  }
  if (symbols.empty()) return;
  for (int32_t at = 0; at >= 0; at = symbols[static_cast<size_t>(at)].next)
    ids.push_back(symbols[static_cast<size_t>(at)].id);
}

/// The tokens of the single bytes.
void BpeTokenizer::append_symbols(std::string_view word, TokenizerScratch& scratch) const {
  auto& symbols = scratch.symbols;
  symbols.clear();
  for (size_t i = 0; i < word.size(); ++i) {
    const auto byte = static_cast<uint8_t>(word[i]);
    const int32_t found = i + 1 < word.size() ? inner_[byte] : last_[byte];
    const int32_t id = found >= 0 ? found : options_.unknown;
    if (id < 0) continue;
    const auto place = static_cast<int32_t>(symbols.size());
    if (place > 0) symbols.back().next = place;
    symbols.push_back({id, place - 1, -1});
  }
}

void BpeTokenizer::push_merge(int32_t position, TokenizerScratch& scratch) const {
  const Symbol& left = scratch.symbols[static_cast<size_t>(position)];
  if (left.next < 0) return;
  const FlatMap::Value found = merges_.find(pair_of(left.id, scratch.symbols[static_cast<size_t>(left.next)].id));
  if (found.first < 0) return;
  scratch.heap.push_back({found.first, position, found.second});
  std::ranges::push_heap(scratch.heap, is_later);
}

/// The bytes that a token stands for; a token that holds other characters stands for its own UTF-8.
std::string BpeTokenizer::bytes_of(const std::string& token) const {
  std::string bytes;
  for (size_t position = 0; position < token.size();) {
    const char32_t code = next_character(token, position);
    if (code >= bytes_.size() || bytes_[code] < 0) return token;
    bytes.push_back(static_cast<char>(bytes_[code]));
  }
  return bytes;
}

std::string BpeTokenizer::join(std::span<const int64_t> ids) const {
  std::string bytes, text;
  for (const int64_t id : ids) bytes += bytes_of(written(id));
  for (size_t position = 0; position < bytes.size();) append_utf8(next_character(bytes, position), text);
  if (options_.end_of_word.empty()) return text;
  return Normalizer({{NormalizerStep::Kind::Replace, options_.end_of_word, " "}}).apply(text);
}

}  // namespace pictrieve
