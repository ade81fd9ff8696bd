// Tokenization and text of a model.
#include "arguments.h"
#include "model_wrap.h"

#include <algorithm>
#include <climits>

// tokenize(text, addSpecial, parseSpecial): Int32Array
Napi::Value NativeModel::tokenize(const Napi::CallbackInfo & info) {
    const Napi::Env env = info.Env();
    const llama_vocab * vocab = llama_model_get_vocab(alive(env).model.get());
    const std::string text = info[0].As<Napi::String>().Utf8Value();
    if (text.size() > size_t(INT32_MAX)) {
        throw Napi::RangeError::New(env, "the text is longer than 2 GB; tokenize it in parts");
    }
    const bool add_special = info[1].ToBoolean();
    const bool parse_special = info[2].ToBoolean();
    std::vector<llama_token> tokens(text.size() / 3 + 16);
    const auto tokenize = [&] {
        return llama_tokenize(vocab, text.data(), int32_t(text.size()), tokens.data(), int32_t(tokens.size()), add_special, parse_special);
    };
    const int32_t n = guarded(env, "tokenize the text", [&] {
        const int32_t needed = tokenize();
        if (needed >= 0) {
            return needed;
        }
        tokens.resize(size_t(-int64_t(needed)));
        return tokenize();
    });
    if (n < 0) {
        throw coded_error(env, "EVALUATION_FAILED", "llama.cpp could not tokenize the text");
    }
    Napi::Int32Array result = Napi::Int32Array::New(env, n);
    std::copy(tokens.begin(), tokens.begin() + n, result.Data());
    return result;
}

// detokenize(tokens: Int32Array, special: boolean): Uint8Array of UTF-8 (a token may end within a character)
Napi::Value NativeModel::detokenize(const Napi::CallbackInfo & info) {
    const Napi::Env env = info.Env();
    const llama_vocab * vocab = llama_model_get_vocab(alive(env).model.get());
    const std::vector<int32_t> tokens = values_of<int32_t>(info[0]);
    const bool special = info[1].ToBoolean();
    std::string text;
    std::string piece(512, '\0');
    const auto write = [&](int32_t token) { return llama_token_to_piece(vocab, token, piece.data(), int32_t(piece.size()), 0, special); };
    for (const int32_t token : tokens) {
        if (token < 0 || token >= llama_vocab_n_tokens(vocab)) {
            throw Napi::RangeError::New(env, "token " + std::to_string(token) + " is not in the vocabulary");
        }
        guarded(env, "write a token as text", [&] {
            int32_t n = write(token);
            if (n < 0) {
                piece.resize(size_t(-int64_t(n)));
                n = write(token);
            }
            text.append(piece, 0, n > 0 ? n : 0);
        });
    }
    return Napi::Buffer<char>::Copy(env, text.data(), text.size());
}

// applyChatTemplate(roles: string[], contents: string[], addAssistant: boolean): string | undefined (template not known to llama.cpp)
Napi::Value NativeModel::apply_chat_template(const Napi::CallbackInfo & info) {
    const Napi::Env env = info.Env();
    const char * chat = llama_model_chat_template(alive(env).model.get(), nullptr);
    if (chat == nullptr) {
        return env.Undefined();
    }
    const Napi::Array roles = info[0].As<Napi::Array>();
    const Napi::Array contents = info[1].As<Napi::Array>();
    std::vector<std::string> texts;
    size_t bytes = 0;
    for (uint32_t i = 0; i < roles.Length(); ++i) {
        texts.push_back(roles.Get(i).As<Napi::String>().Utf8Value());
        texts.push_back(contents.Get(i).As<Napi::String>().Utf8Value());
        bytes += texts.back().size();
    }
    std::vector<llama_chat_message> messages;
    for (size_t i = 0; i < texts.size(); i += 2) {
        messages.push_back({ texts[i].c_str(), texts[i + 1].c_str() });
    }
    std::string buffer(bytes * 2 + 4096, '\0');
    const bool add_assistant = info[2].ToBoolean();
    const auto apply = [&] { return llama_chat_apply_template(chat, messages.data(), messages.size(), add_assistant, buffer.data(), int32_t(buffer.size())); };
    const int32_t n = guarded(env, "apply the chat template", [&] {
        const int32_t needed = apply();
        if (needed <= int32_t(buffer.size())) {
            return needed;
        }
        buffer.resize(needed);
        return apply();
    });
    return n < 0 ? env.Undefined() : Napi::String::New(env, buffer.data(), n).As<Napi::Value>();
}
