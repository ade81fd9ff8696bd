#include "load_options.h"

#include "arguments.h"

#include "ggml-backend.h"

namespace {

llama_split_mode split_mode_of(const Napi::Value & given) {
    const std::string name = given.IsString() ? given.As<Napi::String>().Utf8Value() : "layer";
    if (name == "none") {
        return LLAMA_SPLIT_MODE_NONE;
    }
    if (name == "row") {
        return LLAMA_SPLIT_MODE_ROW;
    }
    if (name != "layer") {
        throw Napi::RangeError::New(given.Env(), "splitMode must be none, layer or row, not " + name);
    }
    return LLAMA_SPLIT_MODE_LAYER;
}

std::vector<ggml_backend_dev_t> devices_of(const Napi::Array & names) {
    std::vector<ggml_backend_dev_t> devices;
    for (uint32_t i = 0; i < names.Length(); ++i) {
        const std::string name = names.Get(i).As<Napi::String>().Utf8Value();
        devices.push_back(ggml_backend_dev_by_name(name.c_str()));
        if (devices.back() == nullptr) {
            throw Napi::RangeError::New(names.Env(), "there is no device " + name);
        }
    }
    devices.push_back(nullptr);
    return devices;
}

} // namespace

llama_model_params LoadOptions::params() {
    llama_model_params params = llama_model_default_params();
    params.n_gpu_layers = gpu_layers;
    params.load_mode = use_mmap ? LLAMA_LOAD_MODE_MMAP : LLAMA_LOAD_MODE_NONE;
    params.vocab_only = vocabulary_only;
    params.split_mode = split_mode;
    params.devices = default_devices ? nullptr : devices.data();
    params.tensor_split = tensor_split.empty() ? nullptr : tensor_split.data();
    return params;
}

LoadOptions load_options(const Napi::Object & given) {
    LoadOptions options;
    options.gpu_layers = number<int>(given, "gpuLayers");
    options.use_mmap = boolean(given, "mmap");
    const Napi::Value vocabulary_only = given.Get("vocabularyOnly");
    options.vocabulary_only = vocabulary_only.IsBoolean() && vocabulary_only.As<Napi::Boolean>().Value();
    options.split_mode = split_mode_of(given.Get("splitMode"));
    const Napi::Value devices = given.Get("devices");
    options.default_devices = !devices.IsArray();
    if (devices.IsArray()) {
        options.devices = devices_of(devices.As<Napi::Array>());
    }
    options.tensor_split = values_if_given<float>(given.Get("tensorSplit"));
    if (options.tensor_split.size() > llama_max_devices()) {
        throw Napi::RangeError::New(given.Env(), "tensorSplit has more entries than llama.cpp has devices");
    }
    if (!options.tensor_split.empty()) {
        options.tensor_split.resize(llama_max_devices(), 0.0f);
    }
    return options;
}
