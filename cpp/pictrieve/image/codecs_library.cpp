#include "pictrieve/image/codecs_library.h"

#include <dlfcn.h>

#include <filesystem>

#include "pictrieve/base/error.h"

namespace pictrieve {
namespace {

constexpr const char* kLibrary = "libpictrieve_codecs.so";

std::filesystem::path own_folder() {
  Dl_info info{};
  dladdr(reinterpret_cast<const void*>(&codec_table), &info);
  const std::filesystem::path place = info.dli_fname != nullptr ? info.dli_fname : "";
  // The name of a program is what its caller typed; a bare name was found through PATH.
  return (place.has_parent_path() ? place : std::filesystem::read_symlink("/proc/self/exe")).parent_path();
}

const CodecTable& load() {
  const std::string path = (own_folder() / kLibrary).string();
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);  // stays loaded until the process ends
  require<Error>(library != nullptr, "decoders: cannot load ", path, ": ", library == nullptr ? dlerror() : "");
  const auto entry = reinterpret_cast<decltype(&pictrieve_codec_table)>(dlsym(library, "pictrieve_codec_table"));
  require<Error>(entry != nullptr, "decoders: ", path, " is not the library of this version; reinstall pictrieve");
  return *entry();
}

}  // namespace

const CodecTable& codec_table() {
  static const CodecTable& table = load();
  return table;
}

}  // namespace pictrieve
