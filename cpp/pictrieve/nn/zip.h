// The part of ZIP that torch.save uses: files stored as they are, read in place.
// Specification: PKWARE APPNOTE 6.3.10.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

namespace pictrieve {

using ZipEntries = std::map<std::string, std::span<const std::byte>>;

/// All files of an archive by their full name, borrowed from `archive`. FormatError for damage, compression,
/// encryption and files that overlap: together they are never larger than the archive.
ZipEntries read_zip(std::span<const std::byte> archive, const std::string& source);

}  // namespace pictrieve
