// What can go wrong, and how it is said: subject, expected, got, remedy.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace pictrieve {

/// Root of the library's own exceptions. Python sees `pictrieve.Error`.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Bytes that are not a picture we can read.
class DecodeError : public Error {
 public:
  using Error::Error;
};

/// A weights, vocabulary or index file that is damaged, foreign or from a newer version.
class FormatError : public Error {
 public:
  using Error::Error;
};

/// A path that does not exist or cannot be opened: "path: what". Python sees `FileNotFoundError` or another `OSError`.
class FileError : public Error {
 public:
  FileError(const std::string& failed_path, int failed_errno, const std::string& what)
      : Error(failed_path + ": " + what), path(failed_path), error_number(failed_errno), detail(what) {}
  std::string path;
  int error_number;    ///< errno of the failed call
  std::string detail;  ///< the message without the path
};

/// Joins the parts of a message, as `std::cout <<` would print them.
template <typename... Parts>
std::string message(const Parts&... parts) {
  std::ostringstream stream;
  (stream << ... << parts);
  return stream.str();
}

/// Throws `Exception` with the joined parts unless the condition holds; parts are joined on failure only.
template <typename Exception = std::invalid_argument, typename... Parts>
void require(bool condition, const Parts&... parts) {
  if (!condition) [[unlikely]]
    throw Exception(message(parts...));
}

}  // namespace pictrieve
