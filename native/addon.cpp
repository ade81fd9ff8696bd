#include "arguments.h"
#include "calls.h"
#include "contexts.h"
#include "log_capture.h"
#include "model_wrap.h"
#include "rpc.h"

#include "ggml-backend.h"

#include <mutex>
#include <sstream>

namespace {

// What llama.cpp said while it looked for devices.
std::string & device_log() {
    static std::string & text = *new std::string;
    return text;
}

// info(): how this addon was built, and the devices that it can use
Napi::Value info(const Napi::CallbackInfo & call) {
    const Napi::Env env = call.Env();
    Napi::Object result = Napi::Object::New(env);
    Napi::Array devices = Napi::Array::New(env);
    for (size_t i = 0; i < ggml_backend_dev_count(); ++i) {
        ggml_backend_dev_t device = ggml_backend_dev_get(i);
        size_t free = 0;
        size_t total = 0;
        ggml_backend_dev_memory(device, &free, &total);
        Napi::Object entry = Napi::Object::New(env);
        entry.Set("name", ggml_backend_dev_name(device));
        entry.Set("description", ggml_backend_dev_description(device));
        const auto type = ggml_backend_dev_type(device);
        entry.Set("gpu", type != GGML_BACKEND_DEVICE_TYPE_CPU && type != GGML_BACKEND_DEVICE_TYPE_ACCEL);
        entry.Set("sharesMemory", type == GGML_BACKEND_DEVICE_TYPE_IGPU);
        entry.Set("backend", ggml_backend_reg_name(ggml_backend_dev_backend_reg(device)));
        ggml_backend_dev_props props;
        ggml_backend_dev_get_props(device, &props);
        entry.Set("id", props.device_id == nullptr ? env.Null() : Napi::String::New(env, props.device_id).As<Napi::Value>());
        const char * server = rpc_server_of(device);
        entry.Set("server", server == nullptr ? env.Undefined() : Napi::String::New(env, server).As<Napi::Value>());
        entry.Set("freeBytes", double(free));
        entry.Set("totalBytes", double(total));
        devices.Set(uint32_t(i), entry);
    }
    Napi::Object build = Napi::Object::New(env);
    build.Set("compiler", PRUNE_GGUF_COMPILER);
    build.Set("level", PRUNE_GGUF_LEVEL);
    result.Set("build", build);
    result.Set("devices", devices);
    result.Set("deviceLog", device_log());
    result.Set("systemInfo", llama_print_system_info());
    std::istringstream names(PRUNE_GGUF_GRAPHICS);
    Napi::Array graphics = Napi::Array::New(env);
    for (std::string name; names >> name;) {
        graphics.Set(graphics.Length(), name);
    }
    result.Set("graphics", graphics);
    result.Set("rpc", llama_supports_rpc());
    result.Set("contextsMade", double(ContextPool::made()));
    result.Set("contextsLive", double(ContextPool::live()));
    result.Set("bytesMoved", double(ContextPool::moved()));
    return result;
}

// addRpcServer(endpoint): void; its devices are listed by info() from then on
Napi::Value add_server(const Napi::CallbackInfo & call) {
    const std::string endpoint = call[0].As<Napi::String>().Utf8Value();
    return guarded(call.Env(), "use an RPC server", [&] {
        add_rpc_server(endpoint);
        return call.Env().Undefined();
    });
}

// giveUpContexts(): frees the memory that an idle model keeps for its next measurement
Napi::Value give_up(const Napi::CallbackInfo & call) {
    give_up_contexts();
    return call.Env().Undefined();
}

// stopJobs(): cancels running jobs and waits for them; to be called before the process exits
Napi::Value stop_jobs(const Napi::CallbackInfo & call) {
    Job::stop_all(call.Env());
    return call.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
    // Once per process, however many worker threads load the addon; never freed, since others may still use it.
    static std::once_flag once;
    std::call_once(once, [] {
        log_install();
        LogCapture capture([](const char * text) { device_log() += text; });
        llama_backend_init();
        ggml_backend_dev_count(); // the first call looks for devices
    });
    auto * data = new AddonData;
    const Napi::Function model = NativeModel::define(env);
    data->model_class = Napi::Persistent(model);
    env.SetInstanceData(data);
    exports.Set("NativeModel", model);
    exports.Set("CancelToken", CancelToken::define(env));
    exports.Set("measureSpeed", Napi::Function::New(env, NativeModel::measure_speed, "measureSpeed"));
    exports.Set("quantize", Napi::Function::New(env, quantize_file, "quantize"));
    exports.Set("freeEquations", Napi::Function::New(env, free_equations, "freeEquations"));
    exports.Set("solveEquations", Napi::Function::New(env, solve_equations, "solveEquations"));
    exports.Set("timeLeastSquares", Napi::Function::New(env, time_least_squares, "timeLeastSquares"));
    exports.Set("stateValues", Napi::Function::New(env, state_values, "stateValues"));
    exports.Set("quantizeValues", Napi::Function::New(env, quantize_values, "quantizeValues"));
    exports.Set("dequantizeBytes", Napi::Function::New(env, dequantize_bytes, "dequantizeBytes"));
    exports.Set("addRpcServer", Napi::Function::New(env, add_server, "addRpcServer"));
    exports.Set("giveUpContexts", Napi::Function::New(env, give_up, "giveUpContexts"));
    exports.Set("stopJobs", Napi::Function::New(env, stop_jobs, "stopJobs"));
    exports.Set("info", Napi::Function::New(env, info, "info"));
    return exports;
}

} // namespace

NODE_API_MODULE(prune_gguf, init)
