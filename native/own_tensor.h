// Tensors that replace those of a loaded file, with their memory.
#pragma once

#include "ggml-backend.h"
#include "ggml-cpp.h"

#include <cstdint>
#include <string>
#include <vector>

struct OwnTensor {
    ggml_tensor * tensor;
    ggml_context_ptr context;
    ggml_backend_buffer_ptr buffer;
};

// A tensor of zero bytes is zero in every type of ggml. It is kept in the buffer type of the original, so that the same kernels run.
OwnTensor zeros_like(const ggml_tensor * tensor);

// Other values for a matrix: `bytes` in ggml's layout of `type`, placed where llama.cpp would put them if a file held them, so that the
// same kernels run. Throws std::runtime_error if they do not fit.
OwnTensor tensor_in_place_of(const ggml_tensor * original, const std::string & name, ggml_type type, const std::vector<uint8_t> & bytes);
