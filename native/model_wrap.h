// The model as JavaScript sees it. Every method is listed with its TypeScript signature in src/model/runtime/addon.ts.
#pragma once

#include "job.h"
#include "job_thread.h"

class NativeModel : public Napi::ObjectWrap<NativeModel> {
public:
    static Napi::Function define(Napi::Env env);
    explicit NativeModel(const Napi::CallbackInfo & info);

    // load(path, options, cancel, onProgress): Promise<NativeModel>
    static Napi::Value load(const Napi::CallbackInfo & info);

    // measureSpeed(sides: { model: NativeModel, mask: Uint8Array }[], options, cancel, onProgress): Promise<SpeedFigures[]>
    static Napi::Value measure_speed(const Napi::CallbackInfo & info);

private:
    std::shared_ptr<ModelCore> core;

    ModelCore & alive(Napi::Env env) const;
    ModelCore & viewed(Napi::Env env) const; // not disposed of, and with its view
    Napi::Value facts(const Napi::CallbackInfo & info);
    Napi::Value set_view_rules(const Napi::CallbackInfo & info);
    Napi::Value block_devices(const Napi::CallbackInfo & info);
    Napi::Value tokenize(const Napi::CallbackInfo & info);
    Napi::Value detokenize(const Napi::CallbackInfo & info);
    Napi::Value apply_chat_template(const Napi::CallbackInfo & info);
    Napi::Value evaluate(const Napi::CallbackInfo & info);
    Napi::Value similarities(const Napi::CallbackInfo & info);
    Napi::Value sample(const Napi::CallbackInfo & info);
    Napi::Value hidden_states(const Napi::CallbackInfo & info);
    Napi::Value normal_equations(const Napi::CallbackInfo & info);
    Napi::Value norm_sums(const Napi::CallbackInfo & info);
    Napi::Value output_path(const Napi::CallbackInfo & info);
    Napi::Value replace_tensor(const Napi::CallbackInfo & info);
    Napi::Value dispose(const Napi::CallbackInfo & info);
};

// Shared by this environment's classes.
struct AddonData {
    Napi::FunctionReference model_class;
    JobThread jobs; // destroyed first
};
