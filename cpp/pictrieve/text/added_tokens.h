// Tokens that are found in a text as they stand, before the model sees what is between them.
#pragma once

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pictrieve {

struct AddedToken {
  std::string text;
  int32_t id = 0;
  bool special = true;      ///< left out by decode() on request
  bool lstrip = false;      ///< takes the white space on its left with it
  bool rstrip = false;      ///< and on its right
  bool normalized = false;  ///< looked for in the normalised text, normalised itself
};

/// Finds tokens: of those that begin leftmost the longest, as the reference does.
class AddedTokenFinder {
 public:
  AddedTokenFinder() = default;
  /// Their texts must not be empty.
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  struct Match {
    size_t begin;   ///< with the white space that the token takes
    size_t end;     ///< of the token itself: the next one is looked for behind it, even in white space that was taken
    size_t behind;  ///< with white space
    int32_t id;
  };
  /// The first token that begins at or behind `from`; begin == npos where there is none. White space before `free`
  /// belongs to an earlier token.
  Match find(std::string_view text, size_t from, size_t free) const;

  static constexpr size_t npos = std::string_view::npos;

 private:
  const AddedToken* token_at(std::string_view text, size_t position) const;

  std::vector<AddedToken> tokens_;  ///< by first byte, the longest first
  std::vector<uint32_t> begins_;    ///< of each first byte in tokens_, 257 entries
  std::bitset<65536> pairs_;        ///< which two bytes some token may begin with
};

}  // namespace pictrieve
