#include "model_arguments.h"

Windows windows_of(const Napi::Value & tokens, const Napi::Object & options) {
    Windows windows;
    windows.length = number<int>(options, "windowLength");
    windows.tokens = values_of<int32_t>(tokens);
    if (windows.length < 1 || windows.tokens.empty() || windows.tokens.size() % size_t(windows.length) != 0) {
        throw Napi::RangeError::New(options.Env(), "expected whole windows of windowLength tokens, at least one window of one token");
    }
    windows.n_windows = int(windows.tokens.size() / size_t(windows.length));
    return windows;
}

std::vector<int> kept_of(const ModelCore & core, const Napi::Value & mask) {
    const std::vector<uint8_t> flags = values_of<uint8_t>(mask);
    if (flags.size() != size_t(core.view->n_blocks())) {
        throw Napi::RangeError::New(mask.Env(), "a mask needs one flag per block");
    }
    std::vector<int> kept;
    for (size_t i = 0; i < flags.size(); ++i) {
        if (flags[i] != 0) {
            kept.push_back(int(i));
        }
    }
    return kept;
}
