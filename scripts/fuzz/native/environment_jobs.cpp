// Promises, messages of other threads, and the end of values.
#include "environment.h"

#include <algorithm>

namespace {

napi_status settle(napi_env env, napi_deferred deferred, Settled how, napi_value outcome) {
    const auto promise = reinterpret_cast<napi_value>(deferred);
    if (promise->settled != Settled::pending) {
        broken("a promise settles twice");
    }
    promise->settled = how;
    promise->outcome = outcome;
    return done(env);
}

// The next message, or the end of a channel; nothing if all channels have ended.
struct Event {
    napi_threadsafe_function channel = nullptr;
    bool is_end = false;
    void * message = nullptr;
};

Event next_event(napi_env env) {
    std::unique_lock<std::mutex> lock(env->mutex);
    for (;;) {
        if (env->channels.empty()) {
            return {};
        }
        for (const auto & channel : env->channels) {
            if (!channel->queue.empty()) {
                void * message = channel->queue.front();
                channel->queue.pop_front();
                return { channel.get(), false, message };
            }
            if (channel->threads == 0) {
                return { channel.get(), true, nullptr };
            }
        }
        env->changed.wait(lock);
    }
}

void end(napi_env env, napi_threadsafe_function channel) {
    std::unique_ptr<napi_threadsafe_function__> owned;
    {
        const std::lock_guard<std::mutex> lock(env->mutex);
        const auto at = std::find_if(env->channels.begin(), env->channels.end(), [&](const auto & one) { return one.get() == channel; });
        owned = std::move(*at);
        env->channels.erase(at);
    }
    if (owned->finalizer.call != nullptr) {
        owned->finalizer.call(env, owned->finalizer.data, owned->context);
    }
}

} // namespace

namespace js {

void run_jobs(napi_env env) {
    for (Event event = next_event(env); event.channel != nullptr; event = next_event(env)) {
        if (event.is_end) {
            end(env, event.channel);
        } else {
            event.channel->call_js(env, event.channel->function, event.channel->context, event.message);
        }
        if (env->exception != nullptr) {
            broken("nobody catches an exception: " + env->exception->properties["message"]->text);
        }
    }
}

void forget(napi_env env, size_t keep) {
    env->exception = nullptr;
    for (size_t i = env->values.size(); i-- > keep;) {
        const napi_value value = env->values[i].get();
        if (value->wrapped.call != nullptr) {
            value->wrapped.call(env, value->wrapped.data, value->wrapped.hint);
        }
        for (const Finalizer & finalizer : value->finalizers) {
            finalizer.call(env, finalizer.data, finalizer.hint);
        }
    }
    env->values.resize(keep);
}

} // namespace js

extern "C" {

napi_status napi_create_promise(napi_env env, napi_deferred * deferred, napi_value * result) {
    *result = js::make(env, napi_object);
    *deferred = reinterpret_cast<napi_deferred>(*result);
    return done(env);
}

napi_status napi_resolve_deferred(napi_env env, napi_deferred deferred, napi_value outcome) {
    return settle(env, deferred, Settled::resolved, outcome);
}

napi_status napi_reject_deferred(napi_env env, napi_deferred deferred, napi_value outcome) {
    return settle(env, deferred, Settled::rejected, outcome);
}

napi_status napi_create_threadsafe_function(napi_env env, napi_value function, napi_value, napi_value, size_t, size_t threads, void * finalize_data,
                                            napi_finalize finalize, void * context, napi_threadsafe_function_call_js call_js,
                                            napi_threadsafe_function * result) {
    if (function != nullptr && function->type != napi_function) {
        return fail(env, napi_function_expected);
    }
    const std::lock_guard<std::mutex> lock(env->mutex);
    env->channels.push_back(std::unique_ptr<napi_threadsafe_function__>(
        new napi_threadsafe_function__{ env, function, context, { finalize, finalize_data, nullptr }, call_js, threads, {} }));
    *result = env->channels.back().get();
    return done(env);
}

napi_status napi_call_threadsafe_function(napi_threadsafe_function channel, void * message, napi_threadsafe_function_call_mode) {
    const std::lock_guard<std::mutex> lock(channel->env->mutex);
    if (channel->threads == 0) {
        broken("a message after its job has ended");
    }
    channel->queue.push_back(message);
    channel->env->changed.notify_all();
    return napi_ok;
}

napi_status napi_release_threadsafe_function(napi_threadsafe_function channel, napi_threadsafe_function_release_mode) {
    napi_env env = channel->env;
    const std::lock_guard<std::mutex> lock(env->mutex);
    --channel->threads;
    env->changed.notify_all();
    return napi_ok;
}

// Parts of node-addon-api that the addon does not use.
napi_status napi_async_destroy(napi_env, napi_async_context) {
    broken("napi_async_destroy is called");
}

napi_status napi_close_callback_scope(napi_env, napi_callback_scope) {
    broken("napi_close_callback_scope is called");
}

} // extern "C"
