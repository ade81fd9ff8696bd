// How a model is loaded, as JavaScript says it.
#pragma once

#include "napi_setup.h"

#include "llama-cpp.h"

#include <memory>
#include <string>
#include <vector>

struct LoadOptions {
    int gpu_layers = 0;
    bool use_mmap = true;
    bool vocabulary_only = false;
    llama_split_mode split_mode = LLAMA_SPLIT_MODE_LAYER;
    // Ends with a null pointer, as llama.cpp reads it.
    std::vector<ggml_backend_dev_t> devices;
    bool default_devices = true;
    // How much of the model each device takes; one entry for each device that llama.cpp may have, or none.
    std::vector<float> tensor_split;

    // They point into this object.
    llama_model_params params();
};

// { gpuLayers: number, mmap: boolean, devices?: string[], tensorSplit?: Float32Array, splitMode?: "none" | "layer" | "row", vocabularyOnly?: boolean }
// Without `devices` llama.cpp chooses; with an empty list there are none. Throws a RangeError for a device that is not there.
LoadOptions load_options(const Napi::Object & given);
