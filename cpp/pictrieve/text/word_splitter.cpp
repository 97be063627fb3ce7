#include "pictrieve/text/word_splitter.h"

#include <cstddef>

#include "pictrieve/text/unicode.h"

namespace pictrieve {
namespace {

// Actions of the ASCII table; no word holds characters with these numbers.
constexpr char kDrop = 0, kEndWord = 1, kPunctuate = 2;

/// Writes one text. Marks that survive stripping are sorted by combining class, as canonical order demands.
class Writer {
 public:
  Writer(const WordSplitter::Options& options, SplitText& out) : options_(options), out_(out) {
    out_.normalized.clear();
    out_.words.clear();
  }

  void letter(char ascii) {
    out_.normalized.push_back(ascii);
    ++characters_;
  }

  void end_word() {
    const size_t end = out_.normalized.size();
    if (end > word_begin_) out_.words.push_back({word_begin_, end - word_begin_, characters_});
    word_begin_ = end;
    characters_ = 0;
  }

  void punctuation(char ascii) {
    end_word();
    letter(ascii);
    end_word();
  }

  void character(char32_t code) {
    const uint8_t flags = character_flags(code);
    if (flags & kIsDropped) return;
    if (flags & kIsSpace) return end_word();
    const bool alone = options_.tokenize_chinese && (flags & kIsChinese);
    if (alone) end_word();
    if (options_.strip_accents) {
      strip(code, flags);
    } else {
      fold(code, flags);
    }
    if (alone) end_word();
  }

 private:
  struct Mark {
    int combining_class;
    size_t bytes;
  };

  void strip(char32_t code, uint8_t flags) {
    if (flags & kIsStripped) {
      // A mark of class 0 keeps the marks around it from being sorted together, although it goes itself.
      if (!(flags & kIsCombining)) marks_end_ = 0;
      return;
    }
    if (!(flags & (kIsComposed | kIsCombining))) return fold(code, flags);
    const Characters parts = decompose_and_strip(code);
    for (int i = 0; i < parts.count; ++i) {
      const char32_t part = parts.codes[i];
      const uint8_t part_flags = character_flags(part);
      if (part_flags & kIsCombining) {
        mark(part);
      } else {
        fold(part, part_flags);
      }
    }
  }

  void mark(char32_t code) {
    const bool follows_marks = marks_end_ == out_.normalized.size() && marks_end_ > word_begin_;
    if (!follows_marks) marks_.clear();
    std::string bytes;
    append_utf8(code, bytes);
    const int own = combining_class(code);
    size_t place = marks_.size(), offset = out_.normalized.size();
    while (place > 0 && marks_[place - 1].combining_class > own) offset -= marks_[--place].bytes;
    marks_.insert(marks_.begin() + static_cast<std::ptrdiff_t>(place), Mark{own, bytes.size()});
    out_.normalized.insert(offset, bytes);
    ++characters_;
    marks_end_ = out_.normalized.size();
  }

  void fold(char32_t code, uint8_t flags) {
    if (!options_.lowercase || !(flags & kHasLowerCase)) return write(code, flags);
    const Characters lowered = lower_case(code);
    for (int i = 0; i < lowered.count; ++i) write(lowered.codes[i], character_flags(lowered.codes[i]));
  }

  void write(char32_t code, uint8_t flags) {
    if (flags & kIsPunctuation) end_word();
    append_utf8(code, out_.normalized);
    ++characters_;
    if (flags & kIsPunctuation) end_word();
  }

  const WordSplitter::Options& options_;
  SplitText& out_;
  size_t word_begin_ = 0;
  size_t characters_ = 0;
  std::vector<Mark> marks_;  ///< the marks that end at marks_end_
  size_t marks_end_ = 0;
};

char ascii_action(char32_t code, bool lowercase) {
  const uint8_t flags = character_flags(code);
  if (flags & kIsDropped) return kDrop;
  if (flags & kIsSpace) return kEndWord;
  if (flags & kIsPunctuation) return kPunctuate;
  return static_cast<char>(lowercase ? lower_case(code).codes[0] : code);
}

}  // namespace

WordSplitter::WordSplitter(const Options& options) : options_(options) {
  for (size_t code = 0; code < ascii_.size(); ++code)
    ascii_[code] = ascii_action(static_cast<char32_t>(code), options.lowercase);
}

void WordSplitter::split(std::string_view text, SplitText& out) const {
  Writer writer(options_, out);
  for (size_t position = 0; position < text.size();) {
    const auto byte = static_cast<uint8_t>(text[position]);
    if (byte >= 0x80) {
      writer.character(next_character(text, position));
      continue;
    }
    ++position;
    const char action = ascii_[byte];
    if (action > kPunctuate) [[likely]] {
      writer.letter(action);
    } else if (action == kEndWord) {
      writer.end_word();
    } else if (action == kPunctuate) {
      writer.punctuation(static_cast<char>(byte));
    }
  }
  writer.end_word();
}

}  // namespace pictrieve
