#include "model_wrap.h"

#include "arguments.h"
#include "contexts.h"
#include "jobs.h"
#include "log_capture.h"

#include <climits>

namespace {

// The blocks of a mask that are kept. The model must have its view.
std::vector<int> kept_of(Napi::Env env, const ModelCore & core, const Napi::Value & mask) {
    const std::vector<uint8_t> flags = values_of<uint8_t>(mask);
    if (flags.size() != size_t(core.view->n_blocks())) {
        throw Napi::RangeError::New(env, "a mask needs a flag for each block");
    }
    std::vector<int> kept;
    for (size_t i = 0; i < flags.size(); ++i) {
        if (flags[i] != 0) {
            kept.push_back(int(i));
        }
    }
    return kept;
}

// [{ block, matrices: [{ name, type, bytes: Uint8Array }] }]
std::vector<BlockVersion> versions_of(const Napi::Value & given) {
    std::vector<BlockVersion> versions;
    const Napi::Array list = given.As<Napi::Array>();
    for (uint32_t i = 0; given.IsArray() && i < list.Length(); ++i) {
        const Napi::Object object = list.Get(i).As<Napi::Object>();
        BlockVersion version;
        version.block = number<int>(object, "block");
        const Napi::Array matrices = object.Get("matrices").As<Napi::Array>();
        for (uint32_t k = 0; k < matrices.Length(); ++k) {
            const Napi::Object matrix = matrices.Get(k).As<Napi::Object>();
            version.matrices.push_back({ matrix.Get("name").As<Napi::String>().Utf8Value(), ggml_type(number<int>(matrix, "type")),
                                         values_of<uint8_t>(matrix.Get("bytes")) });
        }
        versions.push_back(std::move(version));
    }
    return versions;
}

void check_versions(Napi::Env env, const Masks & masks, const std::vector<BlockVersion> & versions) {
    for (size_t i = 0; i < masks.bytes.size(); ++i) {
        const int version = int(masks.bytes[i]) - 2;
        if (version >= int(versions.size()) || (version >= 0 && versions[version].block != int(i % size_t(masks.n_blocks)))) {
            throw Napi::RangeError::New(env, "a mask names a version that this block has not");
        }
    }
}

} // namespace

Napi::Function NativeModel::define(Napi::Env env) {
    return DefineClass(env, "NativeModel", {
        StaticMethod<&NativeModel::load>("load"),
        InstanceMethod<&NativeModel::facts>("facts"),
        InstanceMethod<&NativeModel::set_view_rules>("setViewRules"),
        InstanceMethod<&NativeModel::tokenize>("tokenize"),
        InstanceMethod<&NativeModel::detokenize>("detokenize"),
        InstanceMethod<&NativeModel::apply_chat_template>("applyChatTemplate"),
        InstanceMethod<&NativeModel::evaluate>("evaluate"),
        InstanceMethod<&NativeModel::similarities>("similarities"),
        InstanceMethod<&NativeModel::sample>("sample"),
        InstanceMethod<&NativeModel::hidden_states>("hiddenStates"),
        InstanceMethod<&NativeModel::normal_equations>("normalEquations"),
        InstanceMethod<&NativeModel::norm_sums>("normSums"),
        InstanceMethod<&NativeModel::output_path>("outputPath"),
        InstanceMethod<&NativeModel::replace_tensor>("replaceTensor"),
        InstanceMethod<&NativeModel::dispose>("dispose"),
    });
}

// Only load() calls the constructor: a model is never half loaded.
NativeModel::NativeModel(const Napi::CallbackInfo & info) : Napi::ObjectWrap<NativeModel>(info) {
    if (!holds<ModelCore>(info[0])) {
        throw Napi::TypeError::New(info.Env(), "use NativeModel.load()");
    }
    // The handle lives until it is collected: only the wrapper may keep the weights.
    core = std::move(held_in<ModelCore>(info[0]));
    info.This().As<Napi::Object>().TypeTag(&type_tag<NativeModel>());
}

ModelCore & NativeModel::alive(Napi::Env env) const {
    if (!core || core->disposed) {
        throw coded_error(env, "DISPOSED", "the model was disposed of");
    }
    return *core;
}

ModelCore & NativeModel::viewed(Napi::Env env) const {
    ModelCore & model = alive(env);
    if (!model.view) {
        throw Napi::Error::New(env, "setViewRules() was not called");
    }
    return model;
}

Napi::Value NativeModel::load(const Napi::CallbackInfo & info) {
    const Napi::Object options = info[1].As<Napi::Object>();
    auto job = std::make_unique<LoadJob>(flag_of(info[2]), info[0].As<Napi::String>().Utf8Value(), number<int>(options, "gpuLayers"),
                                         boolean(options, "mmap"));
    return Job::start(info.Env(), std::move(job), info[3].As<Napi::Function>());
}

Napi::Value NativeModel::facts(const Napi::CallbackInfo & info) {
    const Napi::Env env = info.Env();
    const llama_model * model = alive(env).model.get();
    const llama_vocab * vocab = llama_model_get_vocab(model);
    Napi::Object facts = Napi::Object::New(env);
    const auto text = [&](const char * key) -> Napi::Value {
        std::string buffer(256, '\0');
        const int32_t n = llama_model_meta_val_str(model, key, buffer.data(), buffer.size());
        return n < 0 ? env.Undefined() : Napi::String::New(env, buffer.c_str()).As<Napi::Value>();
    };
    const auto token = [&](llama_token id) -> Napi::Value { return id < 0 ? env.Undefined() : Napi::Number::New(env, id).As<Napi::Value>(); };
    char description[256] = {};
    llama_model_desc(model, description, sizeof description);
    facts.Set("architecture", text("general.architecture"));
    facts.Set("name", text("general.name"));
    facts.Set("description", description);
    facts.Set("blocks", llama_model_n_layer(model));
    facts.Set("tailBlocks", llama_model_n_layer_nextn(model));
    facts.Set("vocabulary", llama_vocab_n_tokens(vocab));
    // The file's number is unsigned; llama.cpp gives it as a signed one.
    facts.Set("contextLength", uint32_t(llama_model_n_ctx_train(model)));
    facts.Set("width", llama_model_n_embd(model));
    facts.Set("slidingWindow", llama_model_n_swa(model));
    facts.Set("parameters", double(llama_model_n_params(model)));
    facts.Set("tensorBytes", double(llama_model_size(model)));
    facts.Set("recurrent", bool(llama_model_is_recurrent(model)));
    facts.Set("hybrid", bool(llama_model_is_hybrid(model)));
    facts.Set("addBos", llama_vocab_get_add_bos(vocab));
    facts.Set("addEos", llama_vocab_get_add_eos(vocab));
    facts.Set("bos", token(llama_vocab_bos(vocab)));
    facts.Set("eos", token(llama_vocab_eos(vocab)));
    facts.Set("eot", token(llama_vocab_eot(vocab)));
    const char * chat = llama_model_chat_template(model, nullptr);
    facts.Set("chatTemplate", chat == nullptr ? env.Undefined() : Napi::String::New(env, chat).As<Napi::Value>());
    return facts;
}

// setViewRules({ leadingCounts: string[], outputs: string[][], empty: number[] }): void, once, before the first evaluate()
Napi::Value NativeModel::set_view_rules(const Napi::CallbackInfo & info) {
    ModelCore & model = alive(info.Env());
    const Napi::Object given = info[0].As<Napi::Object>();
    ViewRules rules;
    const auto strings = [](const Napi::Value & value) {
        std::vector<std::string> list;
        const Napi::Array array = value.As<Napi::Array>();
        for (uint32_t i = 0; i < array.Length(); ++i) {
            list.push_back(array.Get(i).As<Napi::String>().Utf8Value());
        }
        return list;
    };
    rules.leading_counts = strings(given.Get("leadingCounts"));
    const Napi::Array outputs = given.Get("outputs").As<Napi::Array>();
    for (uint32_t i = 0; i < outputs.Length(); ++i) {
        rules.outputs.push_back(strings(outputs.Get(i)));
    }
    const Napi::Array empty = given.Get("empty").As<Napi::Array>();
    for (uint32_t i = 0; i < empty.Length(); ++i) {
        rules.empty.push_back(empty.Get(i).As<Napi::Number>().Int32Value());
    }
    const std::lock_guard<std::mutex> lock(model.computing);
    model.contexts.reset();
    model.view = std::make_unique<LayerView>(model.model.get(), std::move(rules));
    return info.Env().Undefined();
}

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

// evaluate(masks: Uint8Array, tokens: Int32Array, options, cancel, onMask): Promise<{ stats, reference? }>
Napi::Value NativeModel::evaluate(const Napi::CallbackInfo & info) {
    const Napi::Env env = info.Env();
    viewed(env);
    const Napi::Object options = info[2].As<Napi::Object>();

    auto job = std::make_unique<EvaluateJob>(flag_of(info[3]), core);
    job->masks.n_blocks = core->view->n_blocks();
    job->masks.bytes = values_of<uint8_t>(info[0]);
    job->masks.n_masks = int(job->masks.bytes.size() / size_t(job->masks.n_blocks));
    job->masks.resumable = values_if_given<uint8_t>(options.Get("resumable"));
    job->windows = windows_of(info[1], options);
    const auto is_of = [](const std::vector<uint8_t> & flags, size_t size) { return flags.empty() || flags.size() == size; };
    if (job->masks.bytes.size() % size_t(job->masks.n_blocks) != 0 || !is_of(job->masks.resumable, size_t(job->masks.n_masks) * (job->masks.n_blocks + 1))) {
        throw Napi::RangeError::New(env, "masks need a flag for each block, and one more each that says where they resume");
    }
    job->settings.n_ubatch = number<int>(options, "ubatch");
    job->settings.n_threads = number<int>(options, "threads");
    job->settings.share_prefixes = boolean(options, "sharePrefixes");
    job->settings.state_bytes = number<size_t>(options, "stateBytes");
    job->settings.half_states = options.Get("stateType").As<Napi::String>().Utf8Value() == "F16";
    job->settings.score_from = number<int>(options, "scoreFrom");
    job->settings.batch_windows = number<int>(options, "batchWindows");
    job->settings.output_last = boolean(options, "outputLast");
    job->settings.per_token = boolean(options, "perToken");
    job->settings.digest = boolean(options, "digest");
    job->settings.versions = versions_of(options.Get("versions"));
    check_versions(env, job->masks, job->settings.versions);
    job->settings.scored = values_if_given<uint8_t>(options.Get("scored"));
    if (!is_of(job->settings.scored, job->windows.tokens.size())) {
        throw Napi::RangeError::New(env, "scored needs a flag for each token");
    }
    if (!options.Get("reference").IsUndefined()) {
        job->settings.reference = held_by<::Reference>(options.Get("reference"));
    }
    if (boolean(options, "keepReference")) {
        job->settings.keep = std::make_shared<::Reference>();
    }
    return Job::start(env, std::move(job), info[4].As<Napi::Function>());
}

// similarities(windows: Int32Array, { windowLength, ubatch, threads }, cancel): Promise<{ cosine, angular }>
Napi::Value NativeModel::similarities(const Napi::CallbackInfo & info) {
    viewed(info.Env());
    const Napi::Object options = info[1].As<Napi::Object>();
    auto job = std::make_unique<SimilarityJob>(flag_of(info[2]), core);
    job->windows = windows_of(info[0], options);
    job->n_ubatch = number<int>(options, "ubatch");
    job->n_threads = number<int>(options, "threads");
    return Job::start(info.Env(), std::move(job), Napi::Function::New(info.Env(), [](const Napi::CallbackInfo &) {}));
}

// sample(prompts: Int32Array[], options, cancel, onProgress): Promise<Int32Array[]>
Napi::Value NativeModel::sample(const Napi::CallbackInfo & info) {
    alive(info.Env());
    const Napi::Array given = info[0].As<Napi::Array>();
    const Napi::Object options = info[1].As<Napi::Object>();
    auto job = std::make_unique<SampleJob>(flag_of(info[2]), core);
    for (uint32_t i = 0; i < given.Length(); ++i) {
        job->prompts.push_back(values_of<int32_t>(given.Get(i)));
    }
    job->settings.length = number<int>(options, "length");
    job->settings.stop_at_eog = boolean(options, "stopAtEog");
    job->settings.temperature = number<float>(options, "temperature");
    if (!options.Get("mask").IsUndefined()) {
        job->settings.kept = kept_of(info.Env(), viewed(info.Env()), options.Get("mask"));
    }
    job->settings.seed = number<uint64_t>(options, "seed");
    job->settings.n_threads = number<int>(options, "threads");
    return Job::start(info.Env(), std::move(job), info[3].As<Napi::Function>());
}

Napi::Value NativeModel::measure_speed(const Napi::CallbackInfo & info) {
    const Napi::Env env = info.Env();
    const Napi::Array given = info[0].As<Napi::Array>();
    const Napi::Object options = info[1].As<Napi::Object>();
    auto job = std::make_unique<SpeedJob>(flag_of(info[2]));
    for (uint32_t i = 0; i < given.Length(); ++i) {
        const Napi::Object side = given.Get(i).As<Napi::Object>();
        const NativeModel & model = unwrap<NativeModel>(side.Get("model"), "a NativeModel");
        job->sides.push_back({ model.core, kept_of(env, model.viewed(env), side.Get("mask")) });
    }
    job->settings.prompt_tokens = number<int>(options, "promptTokens");
    job->settings.generated_tokens = number<int>(options, "generatedTokens");
    job->settings.repetitions = number<int>(options, "repetitions");
    job->settings.n_ubatch = number<int>(options, "ubatch");
    job->settings.n_threads = number<int>(options, "threads");
    job->settings.context = number<int>(options, "context");
    return Job::start(env, std::move(job), info[3].As<Napi::Function>());
}

// dispose(): void. Idempotent; running jobs are cancelled, and the last of them frees the weights.
Napi::Value NativeModel::dispose(const Napi::CallbackInfo & info) {
    if (core) {
        core->disposed = true;
        core.reset();
    }
    return info.Env().Undefined();
}
