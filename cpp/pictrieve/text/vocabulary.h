// The word pieces of a vocabulary, found by the longest prefix of what is left of a word.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pictrieve {

/// Tokens by id and ids by token. A token that begins with "##" continues a word, any other begins one.
class Vocabulary {
 public:
  /// The id of a token is its place in the list. Tokens must be non-empty, distinct and valid UTF-8.
  explicit Vocabulary(std::vector<std::string> tokens);

  /// Reads one token per line. FileError where the path is not that of a readable file.
  static std::vector<std::string> read_lines(const std::string& path);

  int64_t size() const { return static_cast<int64_t>(tokens_.size()); }
  const std::string& token(int64_t id) const { return tokens_[static_cast<size_t>(id)]; }
  /// The id of a token, -1 where there is none.
  int32_t find(std::string_view token) const;

  struct Piece {
    int32_t id;   ///< -1: no prefix of the text is a piece
    size_t size;  ///< bytes of the piece
  };
  /// The longest piece that `text` (valid UTF-8) begins with, among those that begin or that continue words.
  Piece longest(std::string_view text, bool continues) const;

 private:
  struct Slot {
    uint32_t tag;
    int32_t id;  ///< -1: empty
  };
  void insert(int32_t id);
  int32_t look_up(uint64_t hash, std::string_view piece, bool continues) const;
  std::string_view piece(int32_t id, bool continues) const;

  std::vector<std::string> tokens_;
  std::vector<Slot> slots_;  ///< open addressing, a power of two, at most half full
  int shift_ = 0;            ///< 64 - log2(slots_.size())
  size_t longest_[2] = {0, 0};
};

}  // namespace pictrieve
