// The tensors that a block of llama.cpp points to, without a list of the 300 members of llama_layer.
#pragma once

#include "llama-model.h"

#include <set>
#include <type_traits>
#include <vector>

// test/model/architectures/guard.test.ts checks that all members are pointers to tensors.
static_assert(std::is_trivially_copyable<llama_layer>::value && sizeof(llama_layer) % sizeof(ggml_tensor *) == 0,
              "llama_layer is no longer a plain struct of pointers");

using Tensors = std::set<const ggml_tensor *>;

// Numbers of the pointers in a llama_layer that point to one of these tensors, ascending.
std::vector<size_t> pointers_to(const llama_layer & layer, const Tensors & tensors);

// Those of these tensors that the layer points to.
Tensors tensors_of(const llama_layer & layer, const Tensors & all);

// Points to another tensor wherever the layer points to `from`.
void exchange_pointers(llama_layer & layer, const ggml_tensor * from, const ggml_tensor * to);

// Takes the pointers of these numbers from another layer, also those that point to nothing there.
void take_pointers(llama_layer & layer, const llama_layer & from, const std::vector<size_t> & numbers);
