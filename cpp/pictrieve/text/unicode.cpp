#include "pictrieve/text/unicode.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "pictrieve/text/unicode_tables.h"

namespace pictrieve {
namespace {

namespace tables = unicode_tables;

constexpr char32_t kLastCharacter = 0x10FFFF;

// Hangul syllables are numbered leading * 588 + vowel * 28 + trailing (Unicode 3.12). No syllable has the trailing
// consonant 0, whose number is kTrailing.
constexpr char32_t kFirstSyllable = 0xAC00, kSyllables = 11172;
constexpr char32_t kLeadings = 19, kVowels = 21, kTrailings = 28;
constexpr char32_t kLeading = 0x1100, kVowel = 0x1161, kTrailing = 0x11A7;

bool is_syllable(char32_t character) { return character - kFirstSyllable < kSyllables; }

void set_ranges(std::vector<uint8_t>& table, const tables::CodeRange* ranges, size_t count, uint8_t bits) {
  for (const auto& range : std::span(ranges, count))
    for (char32_t c = range.first; c <= range.last; ++c) table[c] |= bits;
}

/// One byte for each character: a megabyte, of which a text touches a few cache lines.
std::vector<uint8_t> build_flags() {
  std::vector<uint8_t> flags(kLastCharacter + 1, 0);
  set_ranges(flags, tables::kDropped, tables::kDroppedCount, kIsDropped);
  set_ranges(flags, tables::kSpaces, tables::kSpacesCount, kIsSpace);
  set_ranges(flags, tables::kChinese, tables::kChineseCount, kIsChinese);
  set_ranges(flags, tables::kStripped, tables::kStrippedCount, kIsStripped);
  set_ranges(flags, tables::kPunctuation, tables::kPunctuationCount, kIsPunctuation);
  set_ranges(flags, tables::kCombining, tables::kCombiningCount, kIsCombining);
  const tables::CodeRange syllables{kFirstSyllable, kFirstSyllable + kSyllables - 1, 0};
  set_ranges(flags, &syllables, 1, kIsComposed);
  for (const auto& entry : std::span(tables::kDecompositions, tables::kDecompositionsCount))
    flags[entry.code] |= kIsComposed;
  for (const auto& entry : std::span(tables::kLowerCase, tables::kLowerCaseCount)) flags[entry.code] |= kHasLowerCase;
  return flags;
}

std::vector<uint8_t> build_classes() {
  std::vector<uint8_t> classes(kLastCharacter + 1, 0);
  set_ranges(classes, tables::kLetters, tables::kLettersCount, static_cast<uint8_t>(WordClass::Letter));
  set_ranges(classes, tables::kNumbers, tables::kNumbersCount, static_cast<uint8_t>(WordClass::Number));
  set_ranges(classes, tables::kWhite, tables::kWhiteCount, static_cast<uint8_t>(WordClass::White));
  return classes;
}

template <typename Entry>
Characters mapped(std::span<const Entry> table, char32_t character) {
  const auto found = std::ranges::lower_bound(table, character, {}, &Entry::code);
  Characters result;
  if (found == table.end() || found->code != character) {
    result.codes[result.count++] = character;
    return result;
  }
  for (const char32_t code : found->to)
    if (code != 0) result.codes[result.count++] = code;
  return result;
}

/// How many bytes follow the first one, and which values the second may have: this is what excludes overlong forms,
/// surrogates and numbers above U+10FFFF.
struct Sequence {
  int followers;
  uint8_t second_least;
  uint8_t second_most;
};

Sequence sequence_of(uint8_t first) {
  if (first >= 0xC2 && first <= 0xDF) return {1, 0x80, 0xBF};
  if (first == 0xE0) return {2, 0xA0, 0xBF};
  if (first == 0xED) return {2, 0x80, 0x9F};
  if (first >= 0xE1 && first <= 0xEF) return {2, 0x80, 0xBF};
  if (first == 0xF0) return {3, 0x90, 0xBF};
  if (first >= 0xF1 && first <= 0xF3) return {3, 0x80, 0xBF};
  if (first == 0xF4) return {3, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

char32_t next_character(std::string_view text, size_t& position) {
  const auto first = static_cast<uint8_t>(text[position++]);
  if (first < 0x80) return first;
  const Sequence sequence = sequence_of(first);
  if (sequence.followers == 0) return kReplacementCharacter;
  char32_t character = first & (0x3F >> sequence.followers);
  for (int i = 0; i < sequence.followers; ++i) {
    const uint8_t least = i == 0 ? sequence.second_least : 0x80;
    const uint8_t most = i == 0 ? sequence.second_most : 0xBF;
    if (position >= text.size()) return kReplacementCharacter;
    const auto byte = static_cast<uint8_t>(text[position]);
    if (byte < least || byte > most) return kReplacementCharacter;
    character = character << 6 | (byte & 0x3F);
    ++position;
  }
  return character;
}

bool is_valid_utf8(std::string_view text) {
  for (size_t position = 0; position < text.size();) {
    const size_t begin = position;
    // A U+FFFD of three bytes was written as such; a shorter one, or one of other bytes, stands for damage.
    if (next_character(text, position) == kReplacementCharacter &&
        text.substr(begin, position - begin) != "\xEF\xBF\xBD")
      return false;
  }
  return true;
}

void append_utf8(char32_t character, std::string& text) {
  const auto append = [&](char32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (character < 0x80) return append(character);
  if (character < 0x800) {
    append(0xC0 | character >> 6);
  } else if (character < 0x10000) {
    append(0xE0 | character >> 12);
    append(0x80 | (character >> 6 & 0x3F));
  } else {
    append(0xF0 | character >> 18);
    append(0x80 | (character >> 12 & 0x3F));
    append(0x80 | (character >> 6 & 0x3F));
  }
  append(0x80 | (character & 0x3F));
}

uint8_t character_flags(char32_t character) {
  static const std::vector<uint8_t> flags = build_flags();
  return flags[character];
}

int combining_class(char32_t character) {
  const std::span ranges(tables::kCombining, tables::kCombiningCount);
  const auto found = std::ranges::lower_bound(ranges, character, {}, &tables::CodeRange::last);
  return found != ranges.end() && found->first <= character ? found->value : 0;
}

WordClass word_class(char32_t character) {
  static const std::vector<uint8_t> classes = build_classes();
  return static_cast<WordClass>(classes[character]);
}

Characters decompose(char32_t character) {
  if (!is_syllable(character))
    return mapped(std::span(tables::kDecompositions, tables::kDecompositionsCount), character);
  const char32_t index = character - kFirstSyllable;
  Characters result{{kLeading + index / 588, kVowel + index % 588 / 28, kTrailing + index % 28}, 3};
  if (index % 28 == 0) result.count = 2;
  return result;
}

Characters decompose_and_strip(char32_t character) {
  const Characters whole = decompose(character);
  Characters kept;
  for (int i = 0; i < whole.count; ++i)
    if (!(character_flags(whole.codes[i]) & kIsStripped)) kept.codes[kept.count++] = whole.codes[i];
  return kept;
}

char32_t compose(char32_t first, char32_t second) {
  if (first - kLeading < kLeadings && second - kVowel < kVowels)
    return kFirstSyllable + (first - kLeading) * 588 + (second - kVowel) * 28;
  if (is_syllable(first) && (first - kFirstSyllable) % 28 == 0 && second > kTrailing && second - kTrailing < kTrailings)
    return first + (second - kTrailing);
  const std::span pairs(tables::kCompositions, tables::kCompositionsCount);
  const auto found = std::ranges::lower_bound(pairs, std::pair(first, second), {},
                                              [](const auto& entry) { return std::pair(entry.first, entry.second); });
  return found != pairs.end() && found->first == first && found->second == second ? found->to : 0;
}

Characters lower_case(char32_t character) {
  return mapped(std::span(tables::kLowerCase, tables::kLowerCaseCount), character);
}

}  // namespace pictrieve
