// Functions, classes, what objects hold, and exceptions.
#include "environment.h"

#include <algorithm>

napi_value invoke(napi_env env, napi_value function, napi_value self, const std::vector<napi_value> & arguments, napi_value new_target) {
    if (function->own) {
        function->own(arguments);
        return js::make(env, napi_undefined);
    }
    napi_callback_info__ info{ self, arguments, function->data, new_target };
    const napi_value result = function->callback(env, &info);
    if (env->exception != nullptr) {
        return nullptr;
    }
    return result != nullptr ? result : js::make(env, napi_undefined);
}

namespace js {

napi_value function(napi_env env, std::function<void(const std::vector<napi_value> &)> body) {
    const napi_value made = make(env, napi_function);
    made->own = std::move(body);
    return made;
}

napi_value call(napi_env env, napi_value function, napi_value self, const std::vector<napi_value> & arguments) {
    env->exception = nullptr;
    return invoke(env, function, self, arguments, nullptr);
}

napi_value construct(napi_env env, napi_value constructor, const std::vector<napi_value> & arguments) {
    env->exception = nullptr;
    const napi_value self = object(env, {});
    self->prototype = constructor->instances;
    return invoke(env, constructor, self, arguments, constructor) != nullptr ? self : nullptr;
}

} // namespace js

namespace {

napi_value function_of(napi_env env, napi_callback callback, void * data) {
    const napi_value made = js::make(env, napi_function);
    made->callback = callback;
    made->data = data;
    return made;
}

void define(napi_env env, napi_value object, const napi_property_descriptor & property) {
    object->properties[property.utf8name] = property.method != nullptr ? function_of(env, property.method, property.data) : property.value;
}

} // namespace

extern "C" {

napi_status napi_create_function(napi_env env, const char *, size_t, napi_callback callback, void * data, napi_value * result) {
    *result = function_of(env, callback, data);
    return done(env);
}

napi_status napi_define_properties(napi_env env, napi_value object, size_t n, const napi_property_descriptor * properties) {
    for (size_t i = 0; i < n; ++i) {
        define(env, object, properties[i]);
    }
    return done(env);
}

napi_status napi_define_class(napi_env env, const char *, size_t, napi_callback constructor, void * data, size_t n,
                              const napi_property_descriptor * properties, napi_value * result) {
    const napi_value made = function_of(env, constructor, data);
    made->instances = js::object(env, {});
    for (size_t i = 0; i < n; ++i) {
        define(env, (properties[i].attributes & napi_static) != 0 ? made : made->instances, properties[i]);
    }
    *result = made;
    return done(env);
}

napi_status napi_get_cb_info(napi_env env, napi_callback_info info, size_t * n, napi_value * arguments, napi_value * self, void ** data) {
    if (arguments != nullptr) {
        for (size_t i = 0; i < *n; ++i) {
            arguments[i] = i < info->arguments.size() ? info->arguments[i] : js::make(env, napi_undefined);
        }
    }
    if (n != nullptr) {
        *n = info->arguments.size();
    }
    if (self != nullptr) {
        *self = info->self;
    }
    if (data != nullptr) {
        *data = info->data;
    }
    return done(env);
}

napi_status napi_get_new_target(napi_env env, napi_callback_info info, napi_value * result) {
    *result = info->new_target;
    return done(env);
}

napi_status napi_call_function(napi_env env, napi_value self, napi_value function, size_t n, const napi_value * arguments, napi_value * result) {
    if (env->exception != nullptr) {
        return fail(env, napi_pending_exception);
    }
    if (function->type != napi_function) {
        return fail(env, napi_function_expected);
    }
    const napi_value returned = invoke(env, function, self, { arguments, arguments + n }, nullptr);
    if (result != nullptr) {
        *result = returned;
    }
    return returned != nullptr ? done(env) : fail(env, napi_pending_exception);
}

napi_status napi_new_instance(napi_env env, napi_value constructor, size_t n, const napi_value * arguments, napi_value * result) {
    if (env->exception != nullptr) {
        return fail(env, napi_pending_exception);
    }
    *result = js::construct(env, constructor, { arguments, arguments + n });
    return *result != nullptr ? done(env) : fail(env, napi_pending_exception);
}

napi_status napi_wrap(napi_env env, napi_value object, void * data, napi_finalize finalize, void * hint, napi_ref * result) {
    if (object->wrapped.data != nullptr) {
        return fail(env, napi_invalid_arg);
    }
    object->wrapped = { finalize, data, hint };
    if (result != nullptr) {
        *result = new napi_ref__{ object };
    }
    return done(env);
}

napi_status napi_unwrap(napi_env env, napi_value object, void ** result) {
    if (object->wrapped.data == nullptr) {
        return fail(env, napi_invalid_arg);
    }
    *result = object->wrapped.data;
    return done(env);
}

napi_status napi_remove_wrap(napi_env env, napi_value object, void ** result) {
    if (result != nullptr) {
        *result = object->wrapped.data;
    }
    object->wrapped = {};
    return done(env);
}

napi_status napi_type_tag_object(napi_env env, napi_value value, const napi_type_tag * tag) {
    if (value->tag) {
        return fail(env, napi_invalid_arg);
    }
    value->tag = *tag;
    return done(env);
}

napi_status napi_check_object_type_tag(napi_env env, napi_value value, const napi_type_tag * tag, bool * result) {
    *result = value->tag && value->tag->lower == tag->lower && value->tag->upper == tag->upper;
    return done(env);
}

napi_status napi_create_external(napi_env env, void * data, napi_finalize finalize, void * hint, napi_value * result) {
    const napi_value made = js::make(env, napi_external);
    made->data = data;
    if (finalize != nullptr) {
        made->finalizers.push_back({ finalize, data, hint });
    }
    *result = made;
    return done(env);
}

napi_status napi_get_value_external(napi_env env, napi_value value, void ** result) {
    if (value->type != napi_external) {
        return fail(env, napi_invalid_arg);
    }
    *result = value->data;
    return done(env);
}

napi_status napi_add_finalizer(napi_env env, napi_value object, void * data, napi_finalize finalize, void * hint, napi_ref * result) {
    object->finalizers.push_back({ finalize, data, hint });
    if (result != nullptr) {
        *result = new napi_ref__{ object };
    }
    return done(env);
}

// Nothing is collected before forget(), so a reference needs no count.
napi_status napi_create_reference(napi_env env, napi_value value, uint32_t, napi_ref * result) {
    if (value->type != napi_object && value->type != napi_function) {
        return fail(env, napi_invalid_arg);
    }
    *result = new napi_ref__{ value };
    return done(env);
}

napi_status napi_delete_reference(napi_env env, napi_ref reference) {
    delete reference;
    return done(env);
}

napi_status napi_get_reference_value(napi_env env, napi_ref reference, napi_value * result) {
    *result = reference->value;
    return done(env);
}

napi_status napi_throw(napi_env env, napi_value error) {
    if (env->exception != nullptr) {
        return fail(env, napi_pending_exception);
    }
    env->exception = error;
    return done(env);
}

napi_status napi_is_exception_pending(napi_env env, bool * result) {
    *result = env->exception != nullptr;
    return done(env);
}

napi_status napi_get_and_clear_last_exception(napi_env env, napi_value * result) {
    *result = env->exception != nullptr ? env->exception : js::make(env, napi_undefined);
    env->exception = nullptr;
    return done(env);
}

napi_status napi_get_last_error_info(napi_env env, const napi_extended_error_info ** result) {
    *result = &env->last;
    return napi_ok;
}

napi_status napi_set_instance_data(napi_env env, void * data, napi_finalize, void *) {
    env->instance_data = data;
    return done(env);
}

napi_status napi_get_instance_data(napi_env env, void ** result) {
    *result = env->instance_data;
    return done(env);
}

napi_status napi_adjust_external_memory(napi_env env, int64_t, int64_t * result) {
    *result = 0;
    return done(env);
}

void napi_fatal_error(const char * location, size_t, const char * message, size_t) {
    broken(std::string(location) + ": " + message);
}

// Scopes end with forget().
napi_status napi_open_handle_scope(napi_env env, napi_handle_scope * result) {
    *result = nullptr;
    return done(env);
}

napi_status napi_close_handle_scope(napi_env env, napi_handle_scope) {
    return done(env);
}

napi_status napi_open_escapable_handle_scope(napi_env env, napi_escapable_handle_scope * result) {
    *result = nullptr;
    return done(env);
}

napi_status napi_close_escapable_handle_scope(napi_env env, napi_escapable_handle_scope) {
    return done(env);
}

napi_status napi_escape_handle(napi_env env, napi_escapable_handle_scope, napi_value value, napi_value * result) {
    *result = value;
    return done(env);
}

} // extern "C"
