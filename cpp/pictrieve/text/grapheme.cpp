#include "pictrieve/text/grapheme.h"

#include <algorithm>
#include <span>

#include "pictrieve/text/unicode.h"
#include "pictrieve/text/unicode_tables.h"

namespace pictrieve {
namespace {

enum class GraphemeClass { Other, Control, Extend, SpacingMark, Prepend, Picture, Joiner };

GraphemeClass class_of(char32_t code) {
  if (code < 0x20 || code == 0x7F) return GraphemeClass::Control;
  if (code < 0x7F) return GraphemeClass::Other;
  if (code == 0x200D) return GraphemeClass::Joiner;
  const std::span ranges(unicode_tables::kClusters, unicode_tables::kClustersCount);
  const auto found = std::ranges::lower_bound(ranges, code, {}, &unicode_tables::CodeRange::last);
  const bool listed = found != ranges.end() && found->first <= code;
  return listed ? static_cast<GraphemeClass>(found->value) : GraphemeClass::Other;
}

/// The reference lets conjoining Hangul make syllables: leading consonants, vowels, trailing ones (Unicode 3.12).
enum class Jamo { None, Leading, Vowel, Trailing, OpenSyllable, Syllable };

Jamo jamo_of(char32_t code) {
  const auto within = [code](char32_t first, char32_t last) { return code >= first && code <= last; };
  if (within(0x1100, 0x115F) || within(0xA960, 0xA97C)) return Jamo::Leading;
  if (within(0x1160, 0x11A7) || within(0xD7B0, 0xD7C6)) return Jamo::Vowel;
  if (within(0x11A8, 0x11FF) || within(0xD7CB, 0xD7FB)) return Jamo::Trailing;
  if (within(0xAC00, 0xD7A3)) return (code - 0xAC00) % 28 == 0 ? Jamo::OpenSyllable : Jamo::Syllable;
  return Jamo::None;
}

bool makes_syllable(Jamo before, Jamo next) {
  switch (before) {
    case Jamo::Leading:
      return next != Jamo::None && next != Jamo::Trailing;
    case Jamo::Vowel:
    case Jamo::OpenSyllable:
      return next == Jamo::Vowel || next == Jamo::Trailing;
    case Jamo::Trailing:
    case Jamo::Syllable:
      return next == Jamo::Trailing;
    case Jamo::None:
      break;
  }
  return false;
}

}  // namespace

size_t grapheme_end(std::string_view text, size_t begin) {
  using enum GraphemeClass;
  size_t position = begin;
  char32_t before = next_character(text, position);
  GraphemeClass kind = class_of(before);
  bool picture = kind == Picture, joined = false;  // a picture, its marks; behind them a joiner
  for (size_t next = position; next < text.size(); position = next) {
    const char32_t code = next_character(text, next);
    const GraphemeClass behind = class_of(code);
    if (before == '\r' && code == '\n') return next;
    if (kind == Control || behind == Control) return position;
    const bool attached = behind == Extend || behind == SpacingMark || behind == Joiner || kind == Prepend ||
                          (joined && behind == Picture) || makes_syllable(jamo_of(before), jamo_of(code));
    if (!attached) return position;
    joined = picture && behind == Joiner;
    picture = behind == Picture || (picture && behind == Extend);
    before = code;
    kind = behind;
  }
  return position;
}

}  // namespace pictrieve
