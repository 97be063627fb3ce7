// The part of ZIP that torch.save uses: files stored as they are, read in place; compressed ones are only named.
// Specification: PKWARE APPNOTE 6.3.10.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <span>
#include <string>

namespace pictrieve {

struct ZipFiles {
  std::map<std::string, std::span<const std::byte>> stored;  ///< by their full name, borrowed from the archive
  std::set<std::string> packed;                              ///< names of the compressed or encrypted ones
};

/// All files of an archive. FormatError for damage and files that overlap: together they are never larger than the
/// archive.
ZipFiles read_zip(std::span<const std::byte> archive, const std::string& source);

}  // namespace pictrieve
