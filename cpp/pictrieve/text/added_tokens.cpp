#include "pictrieve/text/added_tokens.h"

#include <algorithm>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/text/unicode.h"

namespace pictrieve {
namespace {

uint8_t byte_at(std::string_view text, size_t position) { return static_cast<uint8_t>(text[position]); }

size_t pair_of(std::string_view text, size_t position) {
  const size_t second = position + 1 < text.size() ? byte_at(text, position + 1) : 0;
  return static_cast<size_t>(byte_at(text, position)) << 8 | second;
}

/// Where the white space that ends at `end` begins, not before `least`.
size_t white_before(std::string_view text, size_t least, size_t end) {
  while (end > least) {
    size_t begin = end - 1;
    while (begin > least && (byte_at(text, begin) & 0xC0) == 0x80) --begin;
    size_t position = begin;
    if (word_class(next_character(text, position)) != WordClass::White || position != end) break;
    end = begin;
  }
  return end;
}

size_t white_behind(std::string_view text, size_t begin) {
  while (begin < text.size()) {
    size_t end = begin;
    if (word_class(next_character(text, end)) != WordClass::White) break;
    begin = end;
  }
  return begin;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::ranges::stable_sort(tokens_, [](const AddedToken& a, const AddedToken& b) {
    if (a.text.empty() || b.text.empty() || a.text[0] == b.text[0]) return a.text.size() > b.text.size();
    return byte_at(a.text, 0) < byte_at(b.text, 0);
  });
  begins_.assign(257, 0);
  for (const AddedToken& token : tokens_) {
    require<FormatError>(!token.text.empty(), "added tokens: token ", token.id, " is empty");
    const size_t first = byte_at(token.text, 0);
    ++begins_[first + 1];
    if (token.text.size() > 1) {
      pairs_.set(pair_of(token.text, 0));
    } else {
      for (size_t second = 0; second < 256; ++second) pairs_.set(first << 8 | second);
    }
  }
  for (size_t i = 1; i < begins_.size(); ++i) begins_[i] += begins_[i - 1];
}

AddedTokenFinder::Match AddedTokenFinder::find(std::string_view text, size_t from, size_t free) const {
  for (size_t position = from; position < text.size() && !tokens_.empty(); ++position) {
    if (!pairs_[pair_of(text, position)]) [[likely]]
      continue;
    const AddedToken* token = token_at(text, position);
    if (token == nullptr) continue;
    const size_t end = position + token->text.size();
    return {token->lstrip ? white_before(text, free, position) : position, end,
            token->rstrip ? white_behind(text, end) : end, token->id};
  }
  return {npos, npos, npos, -1};
}

const AddedToken* AddedTokenFinder::token_at(std::string_view text, size_t position) const {
  const std::string_view rest = text.substr(position);
  const uint8_t first = byte_at(rest, 0);
  for (uint32_t i = begins_[first]; i < begins_[first + 1]; ++i)
    if (rest.starts_with(tokens_[i].text)) return &tokens_[i];
  return nullptr;
}

}  // namespace pictrieve
