// What happens to a text before it is cut into words: Unicode forms, case, white space.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pictrieve {

class CharMap;

/// One step; they are named and act as those of the reference's tokenizer.json.
struct NormalizerStep {
  enum class Kind {
    Nfc,            ///< canonical composition
    Lowercase,      ///< character by character
    Replace,        ///< each `from` by `to`
    ReplaceAny,     ///< each character of `from` by `to`
    ReplaceWhite,   ///< each run of white space by `to`
    ReplaceBlanks,  ///< each run of two or more spaces by `to`
    StripLeft,      ///< white space at the beginning
    StripRight,
    Map,  ///< by `map`, as SentencePiece does
  };
  Kind kind;
  std::string from{};
  std::string to{};
  std::shared_ptr<const CharMap> map{};
};

class Normalizer {
 public:
  Normalizer() = default;
  explicit Normalizer(std::vector<NormalizerStep> steps);

  /// The text after all steps: `text` itself or one of the two buffers.
  std::string_view apply(std::string_view text, std::string& buffer, std::string& other) const;

  std::string apply(std::string_view text) const;

  /// False where white space at the beginning of the text is stripped.
  bool keeps_begin(std::string_view text) const;

 private:
  std::vector<NormalizerStep> steps_;
};

/// Appends `text` in normal form C (Unicode 3.11).
void append_nfc(std::string_view text, std::string& out);

}  // namespace pictrieve
