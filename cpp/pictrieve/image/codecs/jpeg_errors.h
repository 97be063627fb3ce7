// libjpeg's errors, kept instead of printed.
#pragma once

#include <csetjmp>
#include <cstdio>

// libjpeg's headers want <cstdio> first.
#include <jpeglib.h>

#include <jerror.h>

namespace pictrieve::codecs {

/// libjpeg leaves a failed call through this by longjmp, so code under `succeeds` must hold nothing with a destructor.
struct JpegErrors {
  jpeg_error_mgr manager{};  ///< first: libjpeg knows the address of this member only
  std::jmp_buf escape{};
  char text[JMSG_LENGTH_MAX]{};
  bool damaged = false;  ///< data ran out or made no sense; libjpeg would fill the rest with grey and go on

  jpeg_error_mgr* prepare() {
    jpeg_std_error(&manager);
    manager.error_exit = [](j_common_ptr info) {
      auto* errors = reinterpret_cast<JpegErrors*>(info->err);
      info->err->format_message(info, errors->text);
      std::longjmp(errors->escape, 1);
    };
    manager.emit_message = [](j_common_ptr info, int level) {
      const int code = info->err->msg_code;
      if (level >= 0 || (code != JWRN_JPEG_EOF && code != JWRN_HIT_MARKER && code != JWRN_HUFF_BAD_CODE)) return;
      auto* errors = reinterpret_cast<JpegErrors*>(info->err);
      if (!errors->damaged) info->err->format_message(info, errors->text);
      errors->damaged = true;
    };
    manager.output_message = [](j_common_ptr) {};
    return &manager;
  }

  template <typename Step>
  bool succeeds(const Step& step) {
    if (setjmp(escape) != 0) return false;
    step();
    return true;
  }
};

}  // namespace pictrieve::codecs
