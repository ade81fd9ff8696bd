// An environment of Node-API without Node.js: as much of it as the addon uses. Values live until forget(), so that nothing is collected
// at a moment that differs from run to run. What Node.js would end the process for ends it here too.
#pragma once

#include <node_api.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

// A call that the environment got and that no addon may make.
[[noreturn]] void broken(const std::string & what);

struct Finalizer {
    napi_finalize call = nullptr;
    void * data = nullptr;
    void * hint = nullptr;
};

enum class Settled { pending, resolved, rejected };

// Any value of JavaScript; only what its type needs is set.
struct napi_value__ {
    napi_valuetype type = napi_undefined;
    bool boolean = false;
    double number = 0.0;
    std::string text;
    std::map<std::string, napi_value> properties;
    napi_value prototype = nullptr;

    bool is_array = false;
    std::vector<napi_value> elements;

    bool is_buffer = false; // an ArrayBuffer
    std::vector<uint8_t> bytes;
    napi_value buffer = nullptr; // of a typed array, which covers all of it
    napi_typedarray_type element = napi_uint8_array;

    napi_callback callback = nullptr; // of a function of the addon
    void * data = nullptr;            // its argument, or an external's
    std::function<void(const std::vector<napi_value> &)> own; // of a function of ours
    napi_value instances = nullptr;   // prototype of what a class constructs

    Finalizer wrapped;
    std::vector<Finalizer> finalizers;
    std::optional<napi_type_tag> tag;

    Settled settled = Settled::pending; // of a promise
    napi_value outcome = nullptr;
};

struct napi_callback_info__ {
    napi_value self;
    const std::vector<napi_value> & arguments;
    void * data;
    napi_value new_target;
};

struct napi_ref__ {
    napi_value value;
};

struct napi_threadsafe_function__ {
    napi_env env;
    napi_value function;
    void * context;
    Finalizer finalizer;
    napi_threadsafe_function_call_js call_js;
    size_t threads;
    std::deque<void *> queue;
};

struct napi_env__ {
    std::vector<std::unique_ptr<napi_value__>> values;
    napi_value exception = nullptr;
    napi_extended_error_info last = {};
    void * instance_data = nullptr;
    const std::thread::id thread = std::this_thread::get_id(); // the only one that may touch values

    // What other threads use.
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::unique_ptr<napi_threadsafe_function__>> channels;
};

// For the addon's calls: an error in the words of Node.js.
napi_status fail(napi_env env, napi_status status);
napi_status done(napi_env env);
napi_status give(napi_env env, napi_value value, napi_value * result);

bool is_object(napi_value value);
// undefined and null have no properties; numbers and texts have none that the addon asks for.
bool has_properties(napi_value value);

// Values of a program in JavaScript.
namespace js {

napi_value make(napi_env env, napi_valuetype type);
napi_value number(napi_env env, double value);
napi_value boolean(napi_env env, bool value);
napi_value string(napi_env env, std::string text);
napi_value array(napi_env env, std::vector<napi_value> elements);
napi_value object(napi_env env, std::map<std::string, napi_value> properties);
napi_value function(napi_env env, std::function<void(const std::vector<napi_value> &)> body);
napi_value typed(napi_env env, napi_typedarray_type element, const void * data, size_t bytes);

template <class T> napi_value typed(napi_env env, napi_typedarray_type element, const std::vector<T> & values) {
    return typed(env, element, values.data(), values.size() * sizeof(T));
}

// A property of a value, or nullptr.
napi_value get(napi_value of, const std::string & name);

// A method or a function of the addon, or a class for `new`. Returns nullptr if it threw: what() has the message.
napi_value call(napi_env env, napi_value function, napi_value self, const std::vector<napi_value> & arguments);
napi_value construct(napi_env env, napi_value constructor, const std::vector<napi_value> & arguments);

// Runs the messages of jobs until all jobs have ended.
void run_jobs(napi_env env);

// Ends the life of all values that were made after the first `keep`.
void forget(napi_env env, size_t keep);

} // namespace js

// Runs a function; returns nullptr with env->exception set if it threw.
napi_value invoke(napi_env env, napi_value function, napi_value self, const std::vector<napi_value> & arguments, napi_value new_target);
