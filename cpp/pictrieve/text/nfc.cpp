#include <algorithm>
#include <vector>

#include "pictrieve/text/normalizer.h"
#include "pictrieve/text/unicode.h"

namespace pictrieve {
namespace {

struct Piece {
  char32_t code;
  int combining_class;
};

/// Sorts runs of marks by their class, stably.
void order_marks(std::vector<Piece>& pieces) {
  for (auto begin = pieces.begin(); begin != pieces.end();) {
    auto end = begin + 1;
    if (begin->combining_class != 0) {
      end = std::find_if(begin, pieces.end(), [](const Piece& piece) { return piece.combining_class == 0; });
      std::stable_sort(begin, end,
                       [](const Piece& a, const Piece& b) { return a.combining_class < b.combining_class; });
    }
    begin = end;
  }
}

/// Joins each character to the last starter before it, unless one of its own class or above stands between.
void compose_all(std::vector<Piece>& pieces) {
  constexpr size_t kNone = SIZE_MAX;
  size_t starter = kNone, kept = 0;
  int before = 0;  // the class of the piece kept last since the starter
  for (const Piece piece : pieces) {
    const bool adjacent = starter != kNone && kept == starter + 1;
    if (starter != kNone && (adjacent || before < piece.combining_class)) {
      if (const char32_t joined = compose(pieces[starter].code, piece.code); joined != 0) {
        pieces[starter].code = joined;
        continue;
      }
    }
    if (piece.combining_class == 0) starter = kept;
    before = piece.combining_class;
    pieces[kept++] = piece;
  }
  pieces.resize(kept);
}

/// Text below U+0300 is in form C already.
bool is_plain(std::string_view text) {
  return std::ranges::none_of(text, [](char byte) { return static_cast<uint8_t>(byte) >= 0xCC; });
}

}  // namespace

void append_nfc(std::string_view text, std::string& out) {
  if (is_plain(text)) {
    out += text;
    return;
  }
  std::vector<Piece> pieces;
  for (size_t position = 0; position < text.size();) {
    const Characters parts = decompose(next_character(text, position));
    for (int i = 0; i < parts.count; ++i)
      pieces.push_back(
          {parts.codes[i], character_flags(parts.codes[i]) & kIsCombining ? combining_class(parts.codes[i]) : 0});
  }
  order_marks(pieces);
  compose_all(pieces);
  for (const Piece& piece : pieces) append_utf8(piece.code, out);
}

}  // namespace pictrieve
