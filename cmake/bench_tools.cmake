# What the benchmarks measure against (npm run bench).
add_executable(plain-decode EXCLUDE_FROM_ALL ${CMAKE_CURRENT_SOURCE_DIR}/bench/plain_decode.cpp)
target_link_libraries(plain-decode PRIVATE llama)
