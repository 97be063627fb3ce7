#include "pictrieve/text/vocabulary.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "pictrieve/base/error.h"
#include "pictrieve/base/mapped_file.h"
#include "pictrieve/text/unicode.h"

namespace pictrieve {
namespace {

constexpr std::string_view kContinuation = "##";

// A polynomial hash modulo 2^64. Its factor is odd, so the last byte can be taken back: all prefixes of a word are
// hashed forwards once and tried backwards without being stored.
constexpr uint64_t kFactor = 0x9E3779B97F4A7C15;

constexpr uint64_t inverse(uint64_t odd) {
  uint64_t x = odd;  // right in 3 bits; each Newton step doubles them
  for (int i = 0; i < 5; ++i) x *= 2 - odd * x;
  return x;
}
constexpr uint64_t kInverse = inverse(kFactor);

uint64_t first_hash(bool continues) { return continues ? 0x51ED270B : 0; }
uint64_t push(uint64_t hash, char byte) { return (hash + static_cast<uint8_t>(byte) + 1) * kFactor; }
uint64_t pop(uint64_t hash, char byte) { return hash * kInverse - static_cast<uint8_t>(byte) - 1; }
uint64_t mix(uint64_t hash) { return (hash ^ (hash >> 32)) * 0xD6E8FEB86659FD93; }

bool is_continuation(std::string_view token) {
  return token.size() > kContinuation.size() && token.starts_with(kContinuation);
}

uint64_t hash_of(std::string_view piece, bool continues) {
  uint64_t hash = first_hash(continues);
  for (const char byte : piece) hash = push(hash, byte);
  return hash;
}

}  // namespace

Vocabulary::Vocabulary(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {
  require<FormatError>(!tokens_.empty(), "vocabulary: expected at least one token, got none");
  require<FormatError>(tokens_.size() < (size_t{1} << 30), "vocabulary: ", tokens_.size(), " tokens are too many");
  const size_t slots = std::bit_ceil(2 * tokens_.size());
  slots_.assign(slots, Slot{0, -1});
  shift_ = 64 - std::countr_zero(slots);
  for (size_t id = 0; id < tokens_.size(); ++id) {
    const std::string& token = tokens_[id];
    require<FormatError>(!token.empty(), "vocabulary: token ", id, " is empty");
    require<FormatError>(is_valid_utf8(token), "vocabulary: token ", id, " is not valid UTF-8");
    const int32_t twin = find(token);
    require<FormatError>(twin < 0, "vocabulary: token '", token, "' stands twice, as ", twin, " and as ", id);
    insert(static_cast<int32_t>(id));
  }
}

std::vector<std::string> Vocabulary::read_lines(const std::string& path) {
  const MappedFile file(path);
  std::string_view rest(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  std::vector<std::string> lines;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  require<FormatError>(!lines.empty(), "vocabulary: '", path, "' is empty; expected one token per line");
  return lines;
}

int32_t Vocabulary::find(std::string_view token) const {
  const bool continues = is_continuation(token);
  if (continues) token.remove_prefix(kContinuation.size());
  return look_up(hash_of(token, continues), token, continues);
}

Vocabulary::Piece Vocabulary::longest(std::string_view text, bool continues) const {
  size_t size = std::min(text.size(), longest_[continues]);
  uint64_t hash = hash_of(text.substr(0, size), continues);
  for (; size > 0; --size) {
    const bool inside_character = size < text.size() && (static_cast<uint8_t>(text[size]) & 0xC0) == 0x80;
    if (!inside_character) {
      const int32_t id = look_up(hash, text.substr(0, size), continues);
      if (id >= 0) return {id, size};
    }
    hash = pop(hash, text[size - 1]);
  }
  return {-1, 0};
}

void Vocabulary::insert(int32_t id) {
  const bool continues = is_continuation(tokens_[static_cast<size_t>(id)]);
  const std::string_view text = piece(id, continues);
  const uint64_t mixed = mix(hash_of(text, continues));
  size_t slot = mixed >> shift_;
  while (slots_[slot].id >= 0) slot = (slot + 1) & (slots_.size() - 1);
  slots_[slot] = {static_cast<uint32_t>(mixed), id};
  longest_[continues] = std::max(longest_[continues], text.size());
}

int32_t Vocabulary::look_up(uint64_t hash, std::string_view text, bool continues) const {
  const uint64_t mixed = mix(hash);
  for (size_t slot = mixed >> shift_; slots_[slot].id >= 0; slot = (slot + 1) & (slots_.size() - 1)) {
    const Slot& found = slots_[slot];
    if (found.tag != static_cast<uint32_t>(mixed)) continue;
    if (is_continuation(tokens_[static_cast<size_t>(found.id)]) == continues && piece(found.id, continues) == text)
      return found.id;
  }
  return -1;
}

std::string_view Vocabulary::piece(int32_t id, bool continues) const {
  const std::string_view token = tokens_[static_cast<size_t>(id)];
  return continues ? token.substr(kContinuation.size()) : token;
}

}  // namespace pictrieve
