#include "pictrieve/text/normalizer.h"

#include <algorithm>
#include <utility>

#include "pictrieve/base/error.h"
#include "pictrieve/text/char_map.h"
#include "pictrieve/text/unicode.h"

namespace pictrieve {
namespace {

using Kind = NormalizerStep::Kind;

void lowercase(std::string_view text, std::string& out) {
  for (size_t position = 0; position < text.size();) {
    const auto byte = static_cast<uint8_t>(text[position]);
    if (byte < 0x80) {
      out.push_back(static_cast<char>(byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte));
      ++position;
      continue;
    }
    const Characters lowered = lower_case(next_character(text, position));
    for (int i = 0; i < lowered.count; ++i) append_utf8(lowered.codes[i], out);
  }
}

void replace(std::string_view text, const NormalizerStep& step, std::string& out) {
  size_t begin = 0;
  for (size_t at = text.find(step.from); at != std::string_view::npos; at = text.find(step.from, begin)) {
    out.append(text, begin, at - begin).append(step.to);
    begin = at + step.from.size();
  }
  out.append(text, begin);
}

void replace_any(std::string_view text, const NormalizerStep& step, std::string& out) {
  for (size_t position = 0; position < text.size();) {
    const size_t begin = position;
    next_character(text, position);
    const std::string_view character = text.substr(begin, position - begin);
    out += step.from.find(character) == std::string::npos ? character : std::string_view(step.to);
  }
}

/// Replaces runs of at least `least` characters that `belongs` accepts.
template <typename Belongs>
void replace_runs(std::string_view text, int least, Belongs belongs, std::string_view to, std::string& out) {
  for (size_t position = 0; position < text.size();) {
    const size_t begin = position;
    size_t end = position, next = position;
    int run = 0;
    while (next < text.size() && belongs(next_character(text, next))) {
      end = next;
      ++run;
    }
    if (run >= least) {
      out += to;
      position = end;
      continue;
    }
    position = run > 0 ? end : next;
    out.append(text, begin, position - begin);
  }
}

bool is_white(char32_t code) { return word_class(code) == WordClass::White; }

std::string_view without_left(std::string_view text) {
  for (size_t position = 0; position < text.size();) {
    const size_t begin = position;
    if (!is_white(next_character(text, position))) return text.substr(begin);
  }
  return {};
}

std::string_view without_right(std::string_view text) {
  size_t kept = 0;
  for (size_t position = 0; position < text.size();)
    if (!is_white(next_character(text, position))) kept = position;
  return text.substr(0, kept);
}

void run(const NormalizerStep& step, std::string_view text, std::string& out) {
  switch (step.kind) {
    case Kind::Nfc:
      return append_nfc(text, out);
    case Kind::Lowercase:
      return lowercase(text, out);
    case Kind::Replace:
      return replace(text, step, out);
    case Kind::ReplaceAny:
      return replace_any(text, step, out);
    case Kind::ReplaceWhite:
      return replace_runs(text, 1, is_white, step.to, out);
    case Kind::ReplaceBlanks:
      return replace_runs(text, 2, [](char32_t code) { return code == ' '; }, step.to, out);
    case Kind::Map:
      return step.map->append_mapped(text, out);
    case Kind::StripLeft:
    case Kind::StripRight:
      break;  // these need no copy
  }
}

}  // namespace

Normalizer::Normalizer(std::vector<NormalizerStep> steps) : steps_(std::move(steps)) {
  for (const NormalizerStep& step : steps_) {
    require(step.kind != Kind::Replace || !step.from.empty(), "normalizer: expected a text to replace, got none");
    require(step.kind != Kind::Map || step.map != nullptr, "normalizer: expected a character map, got none");
  }
}

std::string_view Normalizer::apply(std::string_view text, std::string& buffer, std::string& other) const {
  std::string* out = &buffer;
  std::string* free = &other;
  for (const NormalizerStep& step : steps_) {
    if (step.kind == Kind::StripLeft) {
      text = without_left(text);
    } else if (step.kind == Kind::StripRight) {
      text = without_right(text);
    } else {
      out->clear();
      run(step, text, *out);
      text = *out;
      std::swap(out, free);
    }
  }
  return text;
}

std::string Normalizer::apply(std::string_view text) const {
  std::string buffer, other;
  return std::string(apply(text, buffer, other));
}

bool Normalizer::keeps_begin(std::string_view text) const {
  const bool strips =
      std::ranges::any_of(steps_, [](const NormalizerStep& step) { return step.kind == Kind::StripLeft; });
  return !strips || without_left(text).size() == text.size();
}

}  // namespace pictrieve
