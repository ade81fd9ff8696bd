#include "layer_view_pointers.h"

#include <cstring>

namespace {

constexpr size_t n_pointers = sizeof(llama_layer) / sizeof(ggml_tensor *);

const ggml_tensor * pointer_at(const llama_layer & layer, size_t number) {
    const ggml_tensor * tensor = nullptr;
    std::memcpy(&tensor, reinterpret_cast<const unsigned char *>(&layer) + number * sizeof tensor, sizeof tensor);
    return tensor;
}

void point(llama_layer & layer, size_t number, const ggml_tensor * to) {
    std::memcpy(reinterpret_cast<unsigned char *>(&layer) + number * sizeof to, &to, sizeof to);
}

} // namespace

std::vector<size_t> pointers_to(const llama_layer & layer, const Tensors & tensors) {
    std::vector<size_t> numbers;
    for (size_t i = 0; i < n_pointers; ++i) {
        if (tensors.count(pointer_at(layer, i)) > 0) {
            numbers.push_back(i);
        }
    }
    return numbers;
}

Tensors tensors_of(const llama_layer & layer, const Tensors & all) {
    Tensors found;
    for (const size_t i : pointers_to(layer, all)) {
        found.insert(pointer_at(layer, i));
    }
    return found;
}

void exchange_pointers(llama_layer & layer, const ggml_tensor * from, const ggml_tensor * to) {
    for (size_t i = 0; i < n_pointers; ++i) {
        if (pointer_at(layer, i) == from) {
            point(layer, i, to);
        }
    }
}

void take_pointers(llama_layer & layer, const llama_layer & from, const std::vector<size_t> & numbers) {
    for (const size_t i : numbers) {
        point(layer, i, pointer_at(from, i));
    }
}
