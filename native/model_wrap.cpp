#include "model_wrap.h"

#include "arguments.h"
#include "contexts.h"
#include "job.h"
#include "load_options.h"
#include "model_arguments.h"
#include "results.h"

#include <stdexcept>

namespace {

class LoadJob : public Job {
public:
    LoadJob(std::shared_ptr<CancelFlag> cancel, std::string path, LoadOptions options)
        : Job(std::move(cancel), "MODEL_LOAD_FAILED"), path(std::move(path)), options(std::move(options)) {}

protected:
    void run() override {
        give_up_contexts();
        llama_model_params params = options.params();
        params.progress_callback = [](float progress, void * data) {
            auto & self = *static_cast<LoadJob *>(data);
            const int percent = int(progress * 100.0f);
            if (percent != self.last_percent) {
                self.last_percent = percent;
                self.post([percent](Napi::Env env, Napi::Function on_progress) { on_progress.Call({ Napi::Number::New(env, percent / 100.0) }); });
            }
            return !self.cancel->requested.load();
        };
        params.progress_callback_user_data = this;
        llama_model_ptr model(llama_model_load_from_file(path.c_str(), params));
        if (cancel->requested) {
            throw Cancelled();
        }
        if (!model) {
            throw std::runtime_error("llama.cpp could not load " + path);
        }
        core = std::make_shared<ModelCore>();
        core->model = std::move(model);
    }

    Napi::Value result(Napi::Env env) override { return env.GetInstanceData<AddonData>()->model_class.New({ handle_of(env, core, 0) }); }

private:
    std::string path;
    LoadOptions options;
    int last_percent = -1;
    std::shared_ptr<ModelCore> core;
};

} // namespace

Napi::Function NativeModel::define(Napi::Env env) {
    return DefineClass(env, "NativeModel", {
        StaticMethod<&NativeModel::load>("load"),
        InstanceMethod<&NativeModel::facts>("facts"),
        InstanceMethod<&NativeModel::set_view_rules>("setViewRules"),
        InstanceMethod<&NativeModel::block_devices>("blockDevices"),
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

// Only load() calls the constructor, so a model is never half loaded.
NativeModel::NativeModel(const Napi::CallbackInfo & info) : Napi::ObjectWrap<NativeModel>(info) {
    if (!holds<ModelCore>(info[0])) {
        throw Napi::TypeError::New(info.Env(), "use NativeModel.load()");
    }
    // The handle lives until it is collected, so only the wrapper may keep the weights.
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
    auto job = std::make_unique<LoadJob>(flag_of(info[2]), info[0].As<Napi::String>().Utf8Value(), load_options(info[1].As<Napi::Object>()));
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
    // The file's number is unsigned, but llama.cpp returns a signed one.
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

// setViewRules({ leadingCounts: string[], outputs: string[][], feedForward: string[][], empty: number[] }): void, once, before the first evaluate().
// Throws where it was called before: a job may hold the view.
Napi::Value NativeModel::set_view_rules(const Napi::CallbackInfo & info) {
    ModelCore & model = alive(info.Env());
    if (model.view) {
        throw Napi::Error::New(info.Env(), "setViewRules() was called before");
    }
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
    const auto of_blocks = [&](const char * name) {
        std::vector<std::vector<std::string>> lists;
        const Napi::Array array = given.Get(name).As<Napi::Array>();
        for (uint32_t i = 0; i < array.Length(); ++i) {
            lists.push_back(strings(array.Get(i)));
        }
        return lists;
    };
    rules.outputs = of_blocks("outputs");
    rules.feed_forward = of_blocks("feedForward");
    const Napi::Array empty = given.Get("empty").As<Napi::Array>();
    for (uint32_t i = 0; i < empty.Length(); ++i) {
        rules.empty.push_back(empty.Get(i).As<Napi::Number>().Int32Value());
    }
    const std::lock_guard<std::mutex> lock(model.computing);
    model.contexts.reset();
    model.view = std::make_unique<LayerView>(model.model.get(), std::move(rules));
    return info.Env().Undefined();
}

// blockDevices(mask: Uint8Array): string[]: of each block that the mask shows, and of the LM head. No job may compute on the model.
Napi::Value NativeModel::block_devices(const Napi::CallbackInfo & info) {
    ModelCore & model = viewed(info.Env());
    const Stack kept = kept_of(model, info[0]);
    return guarded(info.Env(), "show these blocks", [&]() -> Napi::Value {
        const std::lock_guard<std::mutex> lock(model.computing);
        const LayerView::Shown shown(*model.view, kept);
        const std::vector<std::string> names = model.view->devices();
        return array_of(info.Env(), names.size(), [&](size_t i) { return Napi::String::New(info.Env(), names[i]); });
    });
}

// dispose(): void. Idempotent; running jobs are cancelled, and the last of them frees the weights.
Napi::Value NativeModel::dispose(const Napi::CallbackInfo & info) {
    if (core) {
        core->disposed = true;
        core.reset();
    }
    return info.Env().Undefined();
}
