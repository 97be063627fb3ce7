// What a reader takes for one character.
#pragma once

#include <cstddef>
#include <string_view>

namespace pictrieve {

/// The end of the extended grapheme cluster that begins at `begin` (Unicode Annex 29), without the rules for flags and
/// for Indic conjuncts: those clusters are longer than anyone here asks about.
size_t grapheme_end(std::string_view text, size_t begin);

}  // namespace pictrieve
