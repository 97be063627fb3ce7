#include "pictrieve/image/codecs/quiet_stderr.h"

#include <iostream>
#include <streambuf>

namespace pictrieve::codecs {
namespace {

thread_local bool quiet = false;

class Filter : public std::streambuf {
 public:
  explicit Filter(std::streambuf* target) : target_(target) {}

 protected:
  int overflow(int byte) override { return quiet || byte == EOF ? 0 : target_->sputc(static_cast<char>(byte)); }
  std::streamsize xsputn(const char* text, std::streamsize count) override {
    return quiet ? count : target_->sputn(text, count);
  }
  int sync() override { return target_->pubsync(); }

 private:
  std::streambuf* target_;
};

}  // namespace

void install_stderr_filter() {
  static auto* filter = new Filter(std::cerr.rdbuf());  // std::cerr outlives every static object, so this one stays
  std::cerr.rdbuf(filter);
}

QuietStderr::QuietStderr() { quiet = true; }
QuietStderr::~QuietStderr() { quiet = false; }

}  // namespace pictrieve::codecs
