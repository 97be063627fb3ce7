#include "pictrieve/image/codecs/codec_table.h"

#include "pictrieve/image/codecs/codecs.h"
#include "pictrieve/image/codecs/quiet_stderr.h"

extern "C" const pictrieve::CodecTable* pictrieve_codec_table() {
  using namespace pictrieve::codecs;
  static const pictrieve::CodecTable table{decode_jpeg, decode_png, decode_gif, decode_other, encode_jpeg, encode_png};
  install_stderr_filter();
  return &table;
}
