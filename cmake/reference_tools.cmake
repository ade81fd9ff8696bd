# llama.cpp's own programs, built from the same objects as the addon: the tests compare with them.
foreach(tool quantize perplexity llama-bench imatrix)
    add_subdirectory(${LLAMA_DIR}/tools/${tool} llama.cpp/tools/${tool} EXCLUDE_FROM_ALL)
endforeach()
# What they compute, llama and ggml compute, which stay as they are; unoptimised, the rest compiles in about half the time.
foreach(target llama-common llama-common-base cpp-httplib llama-quantize-impl llama-perplexity-impl llama-bench-impl llama-imatrix)
    if(TARGET ${target} AND NOT MSVC)
        target_compile_options(${target} PRIVATE -O0)
    endif()
endforeach()
# Most of the time goes into the same few headers: sixteen sources at a time are compiled as one, where CMake can leave one out.
if(NOT CMAKE_VERSION VERSION_LESS 3.18)
    set_target_properties(llama-common PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 16)
    # Its names are not those of the other sources.
    set_source_files_properties(${LLAMA_DIR}/common/json.cpp TARGET_DIRECTORY llama-common PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endif()
target_sources(llama-perplexity PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/cmake/flush_log.cpp)

# test-llama-archs writes one small random model an architecture. Six blocks instead of two or three make room for removals.
# The sources are not changed: the altered copy lives in the build folder.
set(ARCHS_SOURCE ${LLAMA_DIR}/tests/test-llama-archs.cpp)
set(ARCHS_COPY ${CMAKE_CURRENT_BINARY_DIR}/test-llama-archs.cpp)
file(READ ${ARCHS_SOURCE} ARCHS_TEXT)
function(replace_once from to)
    string(FIND "${ARCHS_TEXT}" "${from}" at)
    if(at EQUAL -1)
        message(FATAL_ERROR "test-llama-archs.cpp no longer holds '${from}': look at cmake/reference_tools.cmake before moving the pin")
    endif()
    string(REPLACE "${from}" "${to}" ARCHS_TEXT "${ARCHS_TEXT}")
    set(ARCHS_TEXT "${ARCHS_TEXT}" PARENT_SCOPE)
endfunction()
replace_once("uint32_t n_layer = 2;" "uint32_t n_layer = 6;")
replace_once("n_layer = 3;" "n_layer = 6;")
replace_once("std::vector<float>({0.0f, 4.0f})" "std::vector<float>({0.0f, 4.0f, 0.0f, 4.0f, 0.0f, 4.0f})")
replace_once("std::vector<float>({0.0f, 5.0f})" "std::vector<float>({0.0f, 5.0f, 0.0f, 5.0f, 0.0f, 5.0f})")
replace_once("il == 1 ? 0 : n_head" "il % 3 == 1 ? 0 : n_head")
replace_once("il <= 1 ? 0 : n_ff" "il % 3 <= 1 ? 0 : n_ff")
file(GENERATE OUTPUT ${ARCHS_COPY} CONTENT "${ARCHS_TEXT}")
add_executable(test-llama-archs EXCLUDE_FROM_ALL ${ARCHS_COPY})
target_include_directories(test-llama-archs PRIVATE ${LLAMA_DIR}/tests)
target_link_libraries(test-llama-archs PRIVATE llama llama-common)

# Our own maker of small random models, for architectures that the generator leaves out, and llama.cpp's reader of GGUF.
add_executable(fixture-tool EXCLUDE_FROM_ALL ${CMAKE_CURRENT_SOURCE_DIR}/test/conformance/fixture_tool.cpp)
target_link_libraries(fixture-tool PRIVATE llama)
# Saves and restores a state, and shifts a context.
add_executable(continue-text EXCLUDE_FROM_ALL ${CMAKE_CURRENT_SOURCE_DIR}/test/conformance/continue_text.cpp)
target_link_libraries(continue-text PRIVATE llama)
# Built whenever the generator is.
add_dependencies(test-llama-archs fixture-tool continue-text)
