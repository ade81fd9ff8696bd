// Compiled as part of llama.cpp, in place of its llama-model.cpp (see CMakeLists.txt): the list of devices by block is private to that file.
#include "llama-model.cpp"

#include "layer_view_devices.h"

#include <numeric>

namespace {

// Reaches the protected members of a model.
struct OpenModel : llama_model {
    using Private = llama_model::impl;
    static Private & of(llama_model & model) { return *(model.*(&OpenModel::pimpl)); }
    static int32_t & gpu_layers(llama_model & model) { return (model.*(&OpenModel::params)).n_gpu_layers; }
};

bool is_cpu(ggml_backend_dev_t device) {
    return ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_CPU;
}

} // namespace

struct BlockDevices::Impl {
    llama_model & model;
    const decltype(OpenModel::Private::dev_layer) devices;
    const int32_t gpu_layers;
    std::vector<int> blocks;
};

BlockDevices::BlockDevices(llama_model & model) : impl(new Impl{ model, OpenModel::of(model).dev_layer, OpenModel::gpu_layers(model), {} }) {
    restore();
}

BlockDevices::~BlockDevices() = default;

void BlockDevices::show(const std::vector<int> & blocks) {
    auto & shown = OpenModel::of(impl->model).dev_layer;
    shown.clear();
    int on_devices = is_cpu(output()) ? 0 : 1;
    for (const int block : blocks) {
        shown.push_back(impl->devices.at(block));
        on_devices += is_cpu(shown.back().dev) ? 0 : 1;
    }
    // llama.cpp compares this number with that of the blocks to tell whether all of them are on devices.
    OpenModel::gpu_layers(impl->model) = on_devices;
    impl->blocks = blocks;
}

void BlockDevices::restore() {
    OpenModel::of(impl->model).dev_layer = impl->devices;
    OpenModel::gpu_layers(impl->model) = impl->gpu_layers;
    impl->blocks.resize(impl->devices.size());
    std::iota(impl->blocks.begin(), impl->blocks.end(), 0);
}

const std::vector<int> & BlockDevices::shown() const {
    return impl->blocks;
}

ggml_backend_dev_t BlockDevices::at(int index) const {
    return OpenModel::of(impl->model).dev_layer.at(index).dev;
}

ggml_backend_dev_t BlockDevices::output() const {
    return impl->model.dev_output();
}
