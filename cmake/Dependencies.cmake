# Each third-party library is found once, here, and linked by the one folder that may use it.
find_package(Python REQUIRED COMPONENTS Interpreter Development.Module)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(Threads REQUIRED)

# Torch: the libraries of the installed wheel as targets of ours (its own CMake config stops without a CUDA toolkit
# where the wheel is a CUDA one). The wheel is asked for its place without being imported.
execute_process(
  COMMAND ${Python_EXECUTABLE} -c
          "from importlib.util import find_spec; print(find_spec('torch').submodule_search_locations[0], end='')"
  OUTPUT_VARIABLE TORCH_DIR COMMAND_ERROR_IS_FATAL ANY)
add_library(torch_libraries INTERFACE)
target_link_libraries(torch_libraries INTERFACE ${TORCH_DIR}/lib/libtorch_cpu.so ${TORCH_DIR}/lib/libc10.so)
target_compile_definitions(torch_libraries INTERFACE _GLIBCXX_USE_CXX11_ABI=1)
# Headers apart from libraries: they also hold oneDNN and pybind11, which must not shadow those we bind with.
add_library(torch_headers INTERFACE)
target_include_directories(torch_headers SYSTEM INTERFACE ${TORCH_DIR}/include ${TORCH_DIR}/include/torch/csrc/api/include)

add_library(torch_python INTERFACE)  # for _autograd alone
target_link_libraries(torch_python INTERFACE ${TORCH_DIR}/lib/libtorch_python.so torch_libraries)

find_package(BLAS REQUIRED)  # for FAISS: what libtorch does not export of it
find_package(faiss REQUIRED)

# OpenCV: three modules by name, because OpenCVConfig.cmake wants all of libopencv-dev.
add_library(opencv INTERFACE)
find_path(OPENCV_INCLUDE_DIR opencv2/imgcodecs.hpp PATH_SUFFIXES opencv4 REQUIRED)
target_include_directories(opencv SYSTEM INTERFACE ${OPENCV_INCLUDE_DIR})
foreach(module core imgproc imgcodecs)
  find_library(OPENCV_${module} opencv_${module} REQUIRED)
  target_link_libraries(opencv INTERFACE ${OPENCV_${module}})
endforeach()
find_package(nlohmann_json 3.10 REQUIRED)
find_package(GIF REQUIRED)  # OpenCV 4.6 has no GIF decoder
# Straight to the codec where OpenCV falls short: exact CMYK, truncation told from a whole file, no words on stderr.
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)

# SIMD with run-time dispatch.
find_path(HWY_INCLUDE_DIR hwy/highway.h REQUIRED)
find_library(HWY_LIBRARY hwy REQUIRED)
add_library(highway INTERFACE)
target_include_directories(highway SYSTEM INTERFACE ${HWY_INCLUDE_DIR})
target_link_libraries(highway INTERFACE ${HWY_LIBRARY})

find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
find_library(XXHASH_LIBRARY xxhash REQUIRED)
add_library(xxhash INTERFACE)
target_include_directories(xxhash SYSTEM INTERFACE ${XXHASH_INCLUDE_DIR})
target_link_libraries(xxhash INTERFACE ${XXHASH_LIBRARY})

# oneDNN by name: Debian's config also wants the OpenCL headers.
find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.hpp REQUIRED)
find_library(DNNL_LIBRARY dnnl REQUIRED)
add_library(onednn INTERFACE)
target_include_directories(onednn SYSTEM INTERFACE ${DNNL_INCLUDE_DIR})
target_link_libraries(onednn INTERFACE ${DNNL_LIBRARY})

if(PICTRIEVE_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
if(PICTRIEVE_PYTHON)
  if(NOT pybind11_DIR)
    execute_process(COMMAND ${Python_EXECUTABLE} -m pybind11 --cmakedir
                    OUTPUT_VARIABLE pybind11_DIR OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  endif()
  find_package(pybind11 REQUIRED)
  execute_process(  # pybind11 names _core by itself; _autograd has torch's pybind11, which has no CMake part
    COMMAND ${Python_EXECUTABLE} -c "import sysconfig; print(sysconfig.get_config_var('EXT_SUFFIX')[1:], end='')"
    OUTPUT_VARIABLE PICTRIEVE_EXTENSION_SUFFIX COMMAND_ERROR_IS_FATAL ANY)
endif()
