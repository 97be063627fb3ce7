#include "pictrieve/text/tokenizer.h"

#include <algorithm>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/text/tokenizer_scratch.h"

namespace pictrieve {
namespace {

constexpr int64_t kTextsPerPiece = 256;  // some 0.3 ms of work
constexpr int64_t kLongestPadding = 1 << 20;
constexpr size_t kLongestStretch = size_t{1} << 29;  // models count bytes in 32 bits, and write some three times over

/// Added tokens that are looked for in the normalised text, or in the raw one.
AddedTokenFinder finder_of(const TokenizerFrame& frame, bool normalized) {
  std::vector<AddedToken> chosen;
  for (AddedToken token : frame.added) {
    if (token.normalized != normalized) continue;
    if (normalized) token.text = frame.normalizer.apply(token.text);
    if (!token.text.empty()) chosen.push_back(std::move(token));
  }
  return AddedTokenFinder(std::move(chosen));
}

/// Hands out the stretches of a text and the added tokens between them: stretch(text, begin), token(id).
template <typename Stretch, typename Token>
void cut(std::string_view text, const AddedTokenFinder& finder, Stretch stretch, Token token) {
  for (size_t begin = 0, from = 0; begin < text.size() || from < text.size();) {
    const AddedTokenFinder::Match match = finder.find(text, from, begin);
    const size_t end = std::min(match.begin, text.size());
    if (end > begin) stretch(text.substr(begin, end - begin), begin);
    if (match.begin == AddedTokenFinder::npos) return;
    token(match.id);
    from = match.end;
    begin = match.behind;
  }
}

/// Joins the outputs of the pieces in their order and turns counts into offsets.
PackedTokens pack(const std::vector<std::vector<int32_t>>& pieces, const std::vector<int64_t>& counts) {
  PackedTokens packed;
  packed.offsets.resize(counts.size() + 1, 0);
  for (size_t i = 0; i < counts.size(); ++i) packed.offsets[i + 1] = packed.offsets[i] + counts[i];
  packed.ids.reserve(static_cast<size_t>(packed.offsets.back()));
  for (const auto& piece : pieces) packed.ids.insert(packed.ids.end(), piece.begin(), piece.end());
  return packed;
}

void require_ids(std::span<const int32_t> ids, int64_t size) {
  for (const int32_t id : ids)
    require<FormatError>(id >= 0 && id < size, "special tokens: expected ids 0..", size - 1, ", got ", id);
}

}  // namespace

Tokenizer::~Tokenizer() = default;

Tokenizer::Tokenizer(std::vector<std::string> tokens, TokenizerFrame frame)
    : vocabulary_(std::move(tokens)),
      frame_(std::move(frame)),
      raw_(finder_of(frame_, false)),
      normalized_(finder_of(frame_, true)),
      special_(static_cast<size_t>(vocabulary_.size()), false) {
  for (const AddedToken& token : frame_.added) {
    require<FormatError>(token.id >= 0 && vocabulary_.find(token.text) == token.id, "added tokens: expected '",
                         token.text, "' as token ", token.id, " of the vocabulary, got ", vocabulary_.find(token.text));
    if (token.special) special_[static_cast<size_t>(token.id)] = true;
    if (token.normalized) written_[token.id] = frame_.normalizer.apply(token.text);
  }
  require_ids(frame_.before, vocab_size());
  require_ids(frame_.after, vocab_size());
  require_ids({&frame_.pad_id, 1}, vocab_size());
  require(frame_.pad_to >= 0 && frame_.pad_to <= kLongestPadding, "pad_to: expected 0 to ", kLongestPadding, ", got ",
          frame_.pad_to);
}

const std::string& Tokenizer::written(int64_t id) const {
  const auto found = written_.find(id);
  return found == written_.end() ? token(id) : found->second;
}

int64_t Tokenizer::least_length() const {
  return std::max<int64_t>(1, static_cast<int64_t>(frame_.before.size() + frame_.after.size()));
}

std::vector<int32_t> Tokenizer::encode(std::string_view text) const {
  const auto scratch = scratch_.borrow();
  std::vector<int32_t> ids;
  int64_t lost = 0;
  append_text(text, *scratch, ids);
  finish(0, 0, lost, ids);
  return ids;
}

PackedTokens Tokenizer::encode_batch(std::span<const std::string_view> texts, int64_t max_length,
                                     const Monitor& monitor) const {
  require(max_length == 0 || max_length >= least_length(), "max_length: expected at least ", least_length(),
          " (the special tokens of a text stay), got ", max_length);
  const auto count = static_cast<int64_t>(texts.size());
  std::vector<std::vector<int32_t>> pieces(static_cast<size_t>((count + kTextsPerPiece - 1) / kTextsPerPiece));
  std::vector<int64_t> counts(texts.size());
  std::atomic<int64_t> truncated{0}, lost{0};
  const auto body = [&](int64_t begin, int64_t end, Worker worker) {
    const auto scratch = scratch_.borrow();
    auto& ids = pieces[static_cast<size_t>(begin / kTextsPerPiece)];
    int64_t cut_texts = 0, cut_tokens = 0;
    for (int64_t i = begin; i < end && !worker.should_stop(); ++i) {
      const size_t first = ids.size();
      const int64_t before = cut_tokens;
      append_text(texts[static_cast<size_t>(i)], *scratch, ids);
      finish(max_length, first, cut_tokens, ids);
      cut_texts += cut_tokens > before;
      counts[static_cast<size_t>(i)] = static_cast<int64_t>(ids.size() - first);
    }
    truncated += cut_texts;
    lost += cut_tokens;
  };
  parallel_for(count, kTextsPerPiece, body, monitor);
  PackedTokens packed = pack(pieces, counts);
  packed.truncated_texts = truncated;
  packed.lost_tokens = lost;
  return packed;
}

/// Cuts the text that begins at `first`, and adds what stands behind it.
void Tokenizer::finish(int64_t limit, size_t first, int64_t& lost, std::vector<int32_t>& ids) const {
  const size_t whole = ids.size() + frame_.after.size() - first;
  const auto room = static_cast<size_t>(limit);
  if (limit > 0 && whole > room) {
    lost += static_cast<int64_t>(whole - room);
    ids.resize(first + room - frame_.after.size());
  }
  ids.insert(ids.end(), frame_.after.begin(), frame_.after.end());
  const auto filled = static_cast<size_t>(limit > 0 ? std::min(limit, frame_.pad_to) : frame_.pad_to);
  if (ids.size() - first < filled) ids.resize(first + filled, frame_.pad_id);
}

void Tokenizer::append_text(std::string_view text, TokenizerScratch& scratch, std::vector<int32_t>& ids) const {
  ids.insert(ids.end(), frame_.before.begin(), frame_.before.end());
  cut(
      text, raw_, [&](std::string_view stretch, size_t begin) { append_stretch(stretch, begin == 0, scratch, ids); },
      [&](int32_t id) { ids.push_back(id); });
}

void Tokenizer::append_stretch(std::string_view text, bool at_start, TokenizerScratch& scratch,
                               std::vector<int32_t>& ids) const {
  const bool kept = at_start && frame_.normalizer.keeps_begin(text);
  const std::string_view normalized = frame_.normalizer.apply(text, scratch.normalized, scratch.other);
  require(normalized.size() <= kLongestStretch, "text: expected at most ", kLongestStretch, " bytes, got ",
          normalized.size());
  cut(
      normalized, normalized_,
      [&](std::string_view part, size_t begin) { append_words(part, kept && begin == 0, scratch, ids); },
      [&](int32_t id) { ids.push_back(id); });
}

std::string Tokenizer::decode(std::span<const int64_t> ids, bool skip_special_tokens) const {
  std::vector<int64_t> kept;
  for (const int64_t id : ids) {
    require(id >= 0 && id < vocab_size(), "ids: expected 0..", vocab_size() - 1, ", got ", id);
    if (!skip_special_tokens || !special_[static_cast<size_t>(id)]) kept.push_back(id);
  }
  return join(kept);
}

}  // namespace pictrieve
