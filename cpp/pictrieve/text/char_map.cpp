#include "pictrieve/text/char_map.h"

#include <cstring>

#include "pictrieve/base/error.h"
#include "pictrieve/text/grapheme.h"
#include "pictrieve/text/unicode.h"

namespace pictrieve {
namespace {

// A unit of the trie: bits 0-7 and 31 its label, 8 whether an entry ends here, 9-30 the way to its children. The unit
// of an entry holds its value in bits 0-30.
uint32_t label_of(uint32_t unit) { return unit & 0x800000FF; }
bool has_value(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t value_of(uint32_t unit) { return unit & 0x7FFFFFFF; }
uint32_t offset_of(uint32_t unit) { return (unit >> 10) << ((unit & 0x200) >> 6); }

constexpr size_t kLongestCluster = 6;  // clusters below this size are mapped whole

}  // namespace

CharMap::CharMap(std::string_view table, Cut cut) : cut_(cut) {
  constexpr size_t kUnit = sizeof(uint32_t);
  require<FormatError>(table.size() > kUnit, "character map: expected more than 4 bytes, got ", table.size());
  uint32_t size = 0;
  std::memcpy(&size, table.data(), kUnit);
  table.remove_prefix(kUnit);
  require<FormatError>(size >= kUnit && size % kUnit == 0 && size <= table.size(),
                       "character map: expected a trie of whole units within ", table.size(), " bytes, got ", size,
                       " bytes; is the file cut?");
  trie_.resize(size / kUnit);
  std::memcpy(trie_.data(), table.data(), size);
  replacements_ = table.substr(size);
  require<FormatError>(is_valid_utf8(replacements_), "character map: its replacements are not valid UTF-8");
}

void CharMap::append_mapped(std::string_view text, std::string& out) const {
  for (size_t begin = 0; begin < text.size();) {
    if (cut_ == Cut::Longest) {
      const Found found = look_up(text.substr(begin), true);
      size_t end = begin + found.size;
      if (found.size > 0) {
        out += replacement(found.value);
      } else {
        append_utf8(next_character(text, end), out);
      }
      begin = end;
      continue;
    }
    const size_t end = grapheme_end(text, begin);
    const std::string_view cluster = text.substr(begin, end - begin);
    begin = end;
    if (cluster.size() < kLongestCluster && append_if_mapped(cluster, out)) continue;
    for (size_t position = 0; position < cluster.size();) {
      const size_t first = position;
      next_character(cluster, position);
      const std::string_view character = cluster.substr(first, position - first);
      if (!append_if_mapped(character, out)) out += character;
    }
  }
}

bool CharMap::append_if_mapped(std::string_view text, std::string& out) const {
  const Found found = look_up(text, false);
  if (found.size > 0) out += replacement(found.value);
  return found.size > 0;
}

CharMap::Found CharMap::look_up(std::string_view text, bool longest) const {
  Found found;
  uint32_t node = offset_of(trie_[0]);
  for (size_t i = 0; i < text.size() && text[i] != '\0'; ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    node ^= byte;
    if (node >= trie_.size() || label_of(trie_[node]) != byte) return found;
    const uint32_t unit = trie_[node];
    node ^= offset_of(unit);
    if (!has_value(unit)) continue;
    if (node >= trie_.size()) return found;
    found = {i + 1, value_of(trie_[node])};
    if (!longest) return found;
  }
  return found;
}

std::string_view CharMap::replacement(uint32_t value) const {
  if (value >= replacements_.size()) return {};
  const std::string_view rest = std::string_view(replacements_).substr(value);
  return rest.substr(0, rest.find('\0'));
}

}  // namespace pictrieve
