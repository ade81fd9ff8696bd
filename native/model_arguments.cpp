#include "model_arguments.h"

#include <algorithm>
#include <string>

Windows windows_of(const ModelCore & core, const Napi::Value & tokens, const Napi::Object & options) {
    Windows windows;
    windows.length = number<int>(options, "windowLength");
    windows.tokens = values_of<int32_t>(tokens);
    if (windows.length < 1 || windows.tokens.empty() || windows.tokens.size() % size_t(windows.length) != 0) {
        throw Napi::RangeError::New(options.Env(), "expected whole windows of windowLength tokens, at least one window of one token");
    }
    const int n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(core.model.get()));
    const auto strange = std::find_if(windows.tokens.begin(), windows.tokens.end(), [&](int32_t token) { return token < 0 || token >= n_vocab; });
    if (strange != windows.tokens.end()) {
        throw Napi::RangeError::New(options.Env(),
                                    "token " + std::to_string(*strange) + " is outside the vocabulary of " + std::to_string(n_vocab) + " tokens");
    }
    windows.n_windows = int(windows.tokens.size() / size_t(windows.length));
    return windows;
}

Stack kept_of(const ModelCore & core, const Napi::Value & mask) {
    const std::vector<uint8_t> bytes = values_of<uint8_t>(mask);
    const int n_blocks = core.view->n_blocks();
    if (bytes.size() != size_t(n_blocks)) {
        throw Napi::RangeError::New(mask.Env(), "a mask needs one byte per block");
    }
    if (!is_stack(bytes.data(), n_blocks)) {
        throw Napi::RangeError::New(mask.Env(), "a feed-forward part must follow every attention part of a mask before the next one");
    }
    return stack_of(bytes.data(), n_blocks);
}
