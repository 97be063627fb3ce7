#include "pictrieve/encode/text_encoder.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "pictrieve/base/error.h"
#include "pictrieve/base/linalg.h"

namespace pictrieve {
namespace {

int64_t length(const PackedTokens& tokens, int64_t text) {
  return tokens.offsets[static_cast<size_t>(text) + 1] - tokens.offsets[static_cast<size_t>(text)];
}

/// Texts that have tokens, longest first: the last pieces handed out are small, so threads finish together.
std::vector<int64_t> order_by_length(const PackedTokens& tokens) {
  std::vector<int64_t> order(tokens.offsets.size() - 1);
  std::iota(order.begin(), order.end(), int64_t{0});
  std::erase_if(order, [&](int64_t text) { return length(tokens, text) == 0; });
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return length(tokens, a) > length(tokens, b); });
  return order;
}

/// Bounds of runs of `order` with at most about `budget` tokens each; every run has a text.
std::vector<size_t> cut_into_pieces(const PackedTokens& tokens, std::span<const int64_t> order, int64_t budget) {
  std::vector<size_t> bounds{0};
  int64_t filled = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    const int64_t next = length(tokens, order[i]);
    if (filled > 0 && filled + next > budget) {
      bounds.push_back(i);
      filled = 0;
    }
    filled += next;
  }
  bounds.push_back(order.size());
  return bounds;
}

/// The texts of one piece, copied into consecutive tokens.
PackedTokens gather(const PackedTokens& tokens, std::span<const int64_t> texts) {
  PackedTokens piece;
  piece.offsets.push_back(0);
  for (const int64_t text : texts) {
    const auto begin = tokens.ids.begin() + tokens.offsets[static_cast<size_t>(text)];
    piece.ids.insert(piece.ids.end(), begin, begin + length(tokens, text));
    piece.offsets.push_back(static_cast<int64_t>(piece.ids.size()));
  }
  return piece;
}

}  // namespace

TextEncoder::TextEncoder(std::shared_ptr<const TextNetwork> network, std::shared_ptr<const Tokenizer> tokenizer,
                         const Options& options)
    : network_(std::move(network)), tokenizer_(std::move(tokenizer)), options_(options) {
  const int64_t least = tokenizer_->least_length() + 1;
  require(options.max_length >= least && options.max_length <= network_->max_tokens(), "max_length: expected ", least,
          " to ", network_->max_tokens(), " tokens, got ", options.max_length);
  require(tokenizer_->vocab_size() <= network_->vocab_size(), "vocabulary: expected at most ", network_->vocab_size(),
          " tokens for this network, got ", tokenizer_->vocab_size());
}

Truncation TextEncoder::encode(std::span<const std::string_view> texts, bool normalize, MatrixView<float> rows,
                               const Monitor& monitor) const {
  require(rows.rows == static_cast<int64_t>(texts.size()) && rows.cols == dim(), "rows: expected (", texts.size(), ", ",
          dim(), "), got (", rows.rows, ", ", rows.cols, ")");
  if (texts.empty()) return {};
  const PackedTokens tokens = tokenizer_->encode_batch(texts, options_.max_length);
  const std::vector<int64_t> order = order_by_length(tokens);
  for (int64_t text = 0; text < rows.rows; ++text)
    if (length(tokens, text) == 0) std::fill_n(rows.row(text), rows.cols, 0.0F);
  if (order.empty()) return {tokens.truncated_texts, tokens.lost_tokens};
  const auto total = static_cast<int64_t>(tokens.ids.size());
  // Little work is spread over all threads; much work goes in pieces at which the network is fastest.
  const int64_t budget = std::min<int64_t>(network_->preferred_tokens(), (total + num_threads() - 1) / num_threads());
  const std::vector<size_t> bounds = cut_into_pieces(tokens, order, budget);

  std::atomic<int64_t> done{0};
  const auto run_piece = [&](int64_t piece, int64_t, Worker) {
    const auto first = bounds[static_cast<size_t>(piece)];
    const auto part = std::span(order).subspan(first, bounds[static_cast<size_t>(piece) + 1] - first);
    const PackedTokens packed = gather(tokens, part);
    const Matrix<float> encoded(static_cast<int64_t>(part.size()), dim());
    network_->run(packed.ids, packed.offsets, options_.pooling, encoded);
    if (normalize) l2_normalize_rows(encoded);
    for (size_t i = 0; i < part.size(); ++i)
      std::copy_n(encoded.row(static_cast<int64_t>(i)), dim(), rows.row(part[i]));
    done += static_cast<int64_t>(part.size());
  };
  const Monitor in_texts = [&](int64_t, int64_t) { monitor(done, static_cast<int64_t>(texts.size())); };
  parallel_for(static_cast<int64_t>(bounds.size()) - 1, 1, run_piece, monitor ? in_texts : Monitor{});
  return {tokens.truncated_texts, tokens.lost_tokens};
}

}  // namespace pictrieve
