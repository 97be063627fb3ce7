// Keeps OpenCV's remarks on damaged files, which it writes to std::cerr whatever its log level, from the user's
// terminal.
#pragma once

namespace pictrieve::codecs {

/// Puts a filter into std::cerr, once; it passes everything on except what a thread writes under a QuietStderr.
void install_stderr_filter();

/// While it lives, what this thread writes to std::cerr is dropped. Other threads are not affected.
class QuietStderr {
 public:
  QuietStderr();
  ~QuietStderr();
  QuietStderr(const QuietStderr&) = delete;
  QuietStderr& operator=(const QuietStderr&) = delete;
};

}  // namespace pictrieve::codecs
