// Values and their parts.
#include "environment.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

void broken(const std::string & what) {
    std::fprintf(stderr, "BROKEN: %s\n", what.c_str());
    std::abort();
}

napi_status done(napi_env env) {
    env->last.error_code = napi_ok;
    return napi_ok;
}

napi_status fail(napi_env env, napi_status status) {
    static const std::map<napi_status, const char *> messages = {
        { napi_invalid_arg, "Invalid argument" },         { napi_object_expected, "An object was expected" },
        { napi_string_expected, "A string was expected" }, { napi_function_expected, "A function was expected" },
        { napi_number_expected, "A number was expected" }, { napi_boolean_expected, "A boolean was expected" },
        { napi_array_expected, "An array was expected" },  { napi_pending_exception, "An exception is pending" },
    };
    const auto found = messages.find(status);
    env->last.error_code = status;
    env->last.error_message = found == messages.end() ? "Unknown failure" : found->second;
    return status;
}

napi_status give(napi_env env, napi_value value, napi_value * result) {
    *result = value;
    return done(env);
}

bool is_object(napi_value value) {
    return value->type == napi_object || value->type == napi_function || value->type == napi_external;
}

bool has_properties(napi_value value) {
    return value->type != napi_undefined && value->type != napi_null;
}

namespace js {

napi_value make(napi_env env, napi_valuetype type) {
    if (std::this_thread::get_id() != env->thread) {
        broken("a value is made on a job's thread");
    }
    env->values.push_back(std::make_unique<napi_value__>());
    env->values.back()->type = type;
    return env->values.back().get();
}

napi_value number(napi_env env, double value) {
    const napi_value made = make(env, napi_number);
    made->number = value;
    return made;
}

napi_value boolean(napi_env env, bool value) {
    const napi_value made = make(env, napi_boolean);
    made->boolean = value;
    return made;
}

napi_value string(napi_env env, std::string text) {
    const napi_value made = make(env, napi_string);
    made->text = std::move(text);
    return made;
}

napi_value object(napi_env env, std::map<std::string, napi_value> properties) {
    const napi_value made = make(env, napi_object);
    made->properties = std::move(properties);
    return made;
}

napi_value get(napi_value of, const std::string & name) {
    for (; of != nullptr; of = of->prototype) {
        const auto found = of->properties.find(name);
        if (found != of->properties.end()) {
            return found->second;
        }
    }
    return nullptr;
}

} // namespace js

namespace {

napi_status make_error(napi_env env, const char * name, napi_value code, napi_value message, napi_value * result) {
    if (message->type != napi_string) {
        return fail(env, napi_string_expected);
    }
    const napi_value error = js::object(env, { { "name", js::string(env, name) }, { "message", message } });
    if (code != nullptr) {
        error->properties["code"] = code;
    }
    return give(env, error, result);
}

std::string text_of(const char * text, size_t length) {
    return length == NAPI_AUTO_LENGTH ? std::string(text) : std::string(text, length);
}

} // namespace

extern "C" {

napi_status napi_get_undefined(napi_env env, napi_value * result) {
    return give(env, js::make(env, napi_undefined), result);
}

napi_status napi_get_null(napi_env env, napi_value * result) {
    return give(env, js::make(env, napi_null), result);
}

napi_status napi_get_boolean(napi_env env, bool value, napi_value * result) {
    return give(env, js::boolean(env, value), result);
}

napi_status napi_create_double(napi_env env, double value, napi_value * result) {
    return give(env, js::number(env, value), result);
}

napi_status napi_create_string_utf8(napi_env env, const char * text, size_t length, napi_value * result) {
    return give(env, js::string(env, text_of(text, length)), result);
}

napi_status napi_create_object(napi_env env, napi_value * result) {
    return give(env, js::object(env, {}), result);
}

napi_status napi_create_error(napi_env env, napi_value code, napi_value message, napi_value * result) {
    return make_error(env, "Error", code, message, result);
}

napi_status napi_create_type_error(napi_env env, napi_value code, napi_value message, napi_value * result) {
    return make_error(env, "TypeError", code, message, result);
}

napi_status napi_create_range_error(napi_env env, napi_value code, napi_value message, napi_value * result) {
    return make_error(env, "RangeError", code, message, result);
}

napi_status napi_typeof(napi_env env, napi_value value, napi_valuetype * result) {
    if (value == nullptr) {
        return fail(env, napi_invalid_arg);
    }
    *result = value->type;
    return done(env);
}

napi_status napi_coerce_to_bool(napi_env env, napi_value value, napi_value * result) {
    const bool truth = value->type == napi_boolean ? value->boolean
                       : value->type == napi_number ? value->number != 0.0 && !std::isnan(value->number)
                       : value->type == napi_string ? !value->text.empty()
                                                    : has_properties(value);
    return give(env, js::boolean(env, truth), result);
}

napi_status napi_get_value_bool(napi_env env, napi_value value, bool * result) {
    if (value->type != napi_boolean) {
        return fail(env, napi_boolean_expected);
    }
    *result = value->boolean;
    return done(env);
}

napi_status napi_get_value_double(napi_env env, napi_value value, double * result) {
    if (value->type != napi_number) {
        return fail(env, napi_number_expected);
    }
    *result = value->number;
    return done(env);
}

// As V8 turns a number into an Int32, for those that are one; else 0.
napi_status napi_get_value_int32(napi_env env, napi_value value, int32_t * result) {
    if (value->type != napi_number) {
        return fail(env, napi_number_expected);
    }
    *result = std::fabs(value->number) < 2147483648.0 ? int32_t(value->number) : 0;
    return done(env);
}

napi_status napi_get_value_string_utf8(napi_env env, napi_value value, char * buffer, size_t size, size_t * result) {
    if (value->type != napi_string) {
        return fail(env, napi_string_expected);
    }
    if (buffer == nullptr) {
        *result = value->text.size();
        return done(env);
    }
    const size_t n = std::min(size - 1, value->text.size());
    std::memcpy(buffer, value->text.data(), n);
    buffer[n] = '\0';
    if (result != nullptr) {
        *result = n;
    }
    return done(env);
}

napi_status napi_get_named_property(napi_env env, napi_value object, const char * name, napi_value * result) {
    if (env->exception != nullptr) {
        return fail(env, napi_pending_exception);
    }
    if (!has_properties(object)) {
        return fail(env, napi_object_expected);
    }
    const napi_value found = js::get(object, name);
    return found != nullptr ? give(env, found, result) : napi_get_undefined(env, result);
}

napi_status napi_set_named_property(napi_env env, napi_value object, const char * name, napi_value value) {
    if (!is_object(object)) {
        return fail(env, napi_object_expected);
    }
    object->properties[name] = value;
    return done(env);
}

napi_status napi_get_property(napi_env env, napi_value object, napi_value key, napi_value * result) {
    return napi_get_named_property(env, object, key->text.c_str(), result);
}

napi_status napi_has_property(napi_env env, napi_value object, napi_value key, bool * result) {
    *result = js::get(object, key->text) != nullptr;
    return done(env);
}

} // extern "C"
