#include "pictrieve/text/word_pattern.h"

#include <algorithm>
#include <array>

#include "pictrieve/base/names.h"
#include "pictrieve/text/unicode.h"

namespace pictrieve {
namespace {

using Class = WordClass;

std::array<Class, 128> ascii_classes() {
  std::array<Class, 128> classes{};
  for (size_t code = 0; code < classes.size(); ++code) classes[code] = word_class(static_cast<char32_t>(code));
  return classes;
}

/// A place in a text, with the class of the character there.
class Cursor {
 public:
  Cursor(std::string_view text, size_t begin) : text_(text), next_(begin) { advance(); }

  bool at_end() const { return begin_ >= text_.size(); }
  bool is(Class kind) const { return !at_end() && kind_ == kind; }
  bool is(char ascii) const { return !at_end() && text_[begin_] == ascii; }
  bool is_line_break() const { return is('\r') || is('\n'); }
  size_t begin() const { return begin_; }

  void advance() {
    static const std::array<Class, 128> ascii = ascii_classes();
    begin_ = next_;
    if (at_end()) return;
    const auto byte = static_cast<uint8_t>(text_[begin_]);
    if (byte < 0x80) {
      kind_ = ascii[byte];
      ++next_;
    } else {
      kind_ = word_class(next_character(text_, next_));
    }
  }

  size_t skip(Class kind, int most = -1) {
    for (; is(kind) && most != 0; --most) advance();
    return begin_;
  }

 private:
  std::string_view text_;
  size_t begin_ = 0;
  size_t next_;
  Class kind_ = Class::Other;
};

/// Bytes of the English ending ('s, 't, 're, 've, 'm, 'll, 'd) that the text begins with, 0 for none. Without regard to
/// case the reference takes the long s of "'ſ" as well.
size_t ending(std::string_view text, bool any_case) {
  if (text.size() < 2 || text[0] != '\'') return 0;
  const auto letter = [&](size_t i) {
    const char byte = i < text.size() ? text[i] : '\0';
    return any_case && byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte | 0x20) : byte;
  };
  if (const char first = letter(1); first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  const std::pair<char, char> two{letter(1), letter(2)};
  if (two == std::pair{'r', 'e'} || two == std::pair{'v', 'e'} || two == std::pair{'l', 'l'}) return 3;
  return any_case && text.substr(1).starts_with("ſ") ? 3 : 0;
}

/// \s+(?!\S)|\s+ : a run of white space, without its last character where a word follows.
size_t white_end(Cursor cursor) {
  size_t last = cursor.begin();
  const size_t begin = last;
  while (cursor.is(Class::White)) {
    last = cursor.begin();
    cursor.advance();
  }
  return cursor.at_end() || last == begin ? cursor.begin() : last;
}

size_t gpt2_end(std::string_view text, size_t begin) {
  if (const size_t size = ending(text.substr(begin), false)) return begin + size;
  Cursor cursor(text, begin);
  Cursor behind = cursor;
  if (cursor.is(' ')) behind.advance();
  if (behind.at_end() || behind.is(Class::White)) return white_end(cursor);
  for (const Class kind : {Class::Letter, Class::Number, Class::Other})
    if (behind.is(kind)) return behind.skip(kind);
  return text.size();
}

size_t clip_end(std::string_view text, size_t begin) {
  if (const size_t size = ending(text.substr(begin), false)) return begin + size;
  Cursor cursor(text, begin);
  if (cursor.is(Class::White)) return cursor.skip(Class::White);
  if (cursor.is(Class::Letter)) return cursor.skip(Class::Letter);
  if (cursor.is(Class::Number)) return cursor.skip(Class::Number, 1);
  return cursor.skip(Class::Other);
}

size_t marked_end(std::string_view text, size_t begin) {
  for (const std::string_view mark : {"<|startoftext|>", "<|endoftext|>"})
    if (text.substr(begin).starts_with(mark)) return begin + mark.size();
  return clip_end(text, begin);
}

size_t llama3_end(std::string_view text, size_t begin, int digits) {
  if (const size_t size = ending(text.substr(begin), true)) return begin + size;
  Cursor cursor(text, begin);
  if (cursor.is(Class::Letter)) return cursor.skip(Class::Letter);
  if (cursor.is(Class::Number)) return cursor.skip(Class::Number, digits);
  Cursor behind = cursor;
  behind.advance();
  if (!cursor.is_line_break() && behind.is(Class::Letter)) return behind.skip(Class::Letter);
  if (cursor.is(' ') && behind.is(Class::Other)) cursor = behind;
  if (cursor.is(Class::Other)) {
    cursor.skip(Class::Other);
    while (cursor.is_line_break()) cursor.advance();
    return cursor.begin();
  }
  size_t breaks_end = 0;  // behind the last line break of the white space
  for (Cursor white = cursor; white.is(Class::White);) {
    const bool breaks = white.is_line_break();
    white.advance();
    if (breaks) breaks_end = white.begin();
  }
  return breaks_end > 0 ? breaks_end : white_end(cursor);
}

}  // namespace

WordPattern word_pattern_named(const std::string& name) {
  constexpr std::pair<std::string_view, WordPattern> kNames[] = {{"gpt2", WordPattern::Gpt2},
                                                                 {"clip", WordPattern::Clip},
                                                                 {"clip_marked", WordPattern::ClipMarked},
                                                                 {"llama3", WordPattern::Llama3},
                                                                 {"qwen2", WordPattern::Qwen2}};
  return value_named("pattern", name, kNames);
}

size_t word_end(WordPattern pattern, std::string_view text, size_t begin) {
  switch (pattern) {
    case WordPattern::Gpt2:
      return gpt2_end(text, begin);
    case WordPattern::Llama3:
      return llama3_end(text, begin, 3);
    case WordPattern::Qwen2:
      return llama3_end(text, begin, 1);
    case WordPattern::Clip:
      return clip_end(text, begin);
    case WordPattern::ClipMarked:
      break;
  }
  return marked_end(text, begin);
}

}  // namespace pictrieve
