# Warnings and sanitizers of our own code, as one target that every layer links.
add_library(pictrieve_warnings INTERFACE)
target_compile_options(pictrieve_warnings INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor)
if(PICTRIEVE_SANITIZE)
  add_compile_options(-fsanitize=${PICTRIEVE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${PICTRIEVE_SANITIZE})
endif()
