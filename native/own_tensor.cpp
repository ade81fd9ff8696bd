#include "own_tensor.h"

#include <stdexcept>

namespace {

bool can_multiply(ggml_tensor * weight, ggml_backend_buffer_type_t type, ggml_backend_dev_t device) {
    ggml_init_params params = { ggml_tensor_overhead() * 8, nullptr, true };
    ggml_context_ptr ctx(ggml_init(params));
    ggml_tensor * input = ggml_new_tensor_2d(ctx.get(), GGML_TYPE_F32, weight->ne[0], 512);
    ggml_tensor * product = ggml_mul_mat(ctx.get(), weight, input);
    const ggml_backend_buffer_ptr dummy(ggml_backend_buft_alloc_buffer(type, 0));
    weight->buffer = dummy.get();
    const bool can = ggml_backend_dev_supports_op(device, product);
    weight->buffer = nullptr;
    return can;
}

// Where llama.cpp would put such a matrix (make_cpu_buft_list and select_weight_buft): with the original on a device. On a CPU it is the
// first of the accelerators' and the repacked kinds of memory that can multiply it.
ggml_backend_buffer_type_t buffer_type_for(ggml_tensor * weight, const ggml_tensor * original) {
    ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    ggml_backend_buffer_type_t own = ggml_backend_buffer_get_type(original->buffer);
    ggml_backend_dev_t device = ggml_backend_buft_get_device(own);
    if (cpu == nullptr || (device != nullptr && device != cpu && ggml_backend_dev_type(device) != GGML_BACKEND_DEVICE_TYPE_ACCEL)) {
        return own;
    }
    for (size_t i = 0; i < ggml_backend_dev_count(); ++i) {
        ggml_backend_dev_t accelerator = ggml_backend_dev_get(i);
        if (ggml_backend_dev_type(accelerator) != GGML_BACKEND_DEVICE_TYPE_ACCEL) {
            continue;
        }
        ggml_backend_buffer_type_t type = ggml_backend_dev_buffer_type(accelerator);
        if (type != ggml_backend_dev_buffer_type(cpu) && can_multiply(weight, type, accelerator)) {
            return type;
        }
    }
    const auto extra_types = reinterpret_cast<ggml_backend_dev_get_extra_bufts_t>(
        ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(cpu), "ggml_backend_dev_get_extra_bufts"));
    for (ggml_backend_buffer_type_t * type = extra_types ? extra_types(cpu) : nullptr; type != nullptr && *type != nullptr; ++type) {
        if (can_multiply(weight, *type, cpu)) {
            return *type;
        }
    }
    return ggml_backend_dev_buffer_type(cpu);
}

} // namespace

OwnTensor zeros_like(const ggml_tensor * tensor) {
    ggml_init_params params = { ggml_tensor_overhead() * 2, nullptr, true };
    ggml_context_ptr ctx(ggml_init(params));
    ggml_tensor * zero = ggml_dup_tensor(ctx.get(), tensor);
    ggml_set_name(zero, tensor->name);
    ggml_backend_buffer_type_t type = ggml_backend_buffer_get_type(tensor->buffer);
    ggml_backend_buffer_ptr buffer(ggml_backend_alloc_ctx_tensors_from_buft(ctx.get(), type));
    if (!buffer) {
        throw std::runtime_error(std::string("there is not enough memory for a zeroed copy of ") + tensor->name);
    }
    ggml_backend_buffer_set_usage(buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    const std::vector<uint8_t> bytes(ggml_nbytes(zero), 0);
    ggml_backend_tensor_set(zero, bytes.data(), 0, bytes.size());
    return { zero, std::move(ctx), std::move(buffer) };
}

OwnTensor tensor_in_place_of(const ggml_tensor * original, const std::string & name, ggml_type type, const std::vector<uint8_t> & bytes) {
    if (type < 0 || type >= GGML_TYPE_COUNT || ggml_blck_size(type) == 0 || original->ne[0] % ggml_blck_size(type) != 0) {
        throw std::runtime_error(name + " cannot have the type " + std::to_string(int(type)) + ": there is no such type, or its rows do not fit");
    }
    ggml_init_params params = { ggml_tensor_overhead() * 2, nullptr, true };
    OwnTensor made{ nullptr, ggml_context_ptr(ggml_init(params)), nullptr };
    made.tensor = ggml_new_tensor(made.context.get(), type, GGML_MAX_DIMS, original->ne);
    ggml_set_name(made.tensor, name.c_str());
    if (ggml_nbytes(made.tensor) != bytes.size()) {
        throw std::runtime_error(name + " takes " + std::to_string(ggml_nbytes(made.tensor)) + " bytes of that type, not " + std::to_string(bytes.size()));
    }
    ggml_backend_buffer_type_t place = ggml_is_matrix(made.tensor) && ggml_nrows(made.tensor) > 1 ? buffer_type_for(made.tensor, original)
                                                                                                  : ggml_backend_buffer_get_type(original->buffer);
    made.buffer.reset(ggml_backend_alloc_ctx_tensors_from_buft(made.context.get(), place));
    if (!made.buffer) {
        throw std::runtime_error("there is not enough memory for new values of " + name);
    }
    ggml_backend_buffer_set_usage(made.buffer.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    ggml_backend_tensor_set(made.tensor, bytes.data(), 0, bytes.size());
    return made;
}
