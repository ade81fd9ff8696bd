# llama.cpp's own programs, built from the same objects as the addon: the tests compare with them.
foreach(tool quantize perplexity llama-bench imatrix)
    add_subdirectory(${LLAMA_DIR}/tools/${tool} llama.cpp/tools/${tool} EXCLUDE_FROM_ALL)
endforeach()

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
