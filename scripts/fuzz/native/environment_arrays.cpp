// Arrays, typed arrays and their memory.
#include "environment.h"

#include <algorithm>
#include <cstring>

namespace js {

napi_value array(napi_env env, std::vector<napi_value> elements) {
    const napi_value made = make(env, napi_object);
    made->is_array = true;
    made->elements = std::move(elements);
    return made;
}

napi_value typed(napi_env env, napi_typedarray_type element, const void * data, size_t bytes) {
    const napi_value buffer = make(env, napi_object);
    buffer->is_buffer = true;
    buffer->bytes.resize(bytes);
    if (bytes > 0) {
        std::memcpy(buffer->bytes.data(), data, bytes);
    }
    const napi_value made = make(env, napi_object);
    made->buffer = buffer;
    made->element = element;
    return made;
}

} // namespace js

namespace {

size_t width_of(napi_typedarray_type element) {
    return element == napi_float64_array ? 8 : element == napi_uint8_array ? 1 : 4;
}

} // namespace

extern "C" {

napi_status napi_create_array_with_length(napi_env env, size_t length, napi_value * result) {
    return give(env, js::array(env, std::vector<napi_value>(length)), result);
}

napi_status napi_create_array(napi_env env, napi_value * result) {
    return give(env, js::array(env, {}), result);
}

napi_status napi_is_array(napi_env env, napi_value value, bool * result) {
    *result = value->is_array;
    return done(env);
}

napi_status napi_get_array_length(napi_env env, napi_value value, uint32_t * result) {
    if (!value->is_array) {
        return fail(env, napi_array_expected);
    }
    *result = uint32_t(value->elements.size());
    return done(env);
}

napi_status napi_get_element(napi_env env, napi_value object, uint32_t index, napi_value * result) {
    if (!has_properties(object)) {
        return fail(env, napi_object_expected);
    }
    const bool there = index < object->elements.size() && object->elements[index] != nullptr;
    return there ? give(env, object->elements[index], result) : napi_get_undefined(env, result);
}

napi_status napi_set_element(napi_env env, napi_value object, uint32_t index, napi_value value) {
    if (!is_object(object)) {
        return fail(env, napi_object_expected);
    }
    object->elements.resize(std::max<size_t>(object->elements.size(), size_t(index) + 1));
    object->elements[index] = value;
    return done(env);
}

napi_status napi_create_arraybuffer(napi_env env, size_t length, void ** data, napi_value * result) {
    const napi_value made = js::make(env, napi_object);
    made->is_buffer = true;
    made->bytes.resize(length);
    if (data != nullptr) {
        *data = made->bytes.data();
    }
    return give(env, made, result);
}

napi_status napi_get_arraybuffer_info(napi_env env, napi_value value, void ** data, size_t * length) {
    if (!value->is_buffer) {
        return fail(env, napi_invalid_arg);
    }
    if (data != nullptr) {
        *data = value->bytes.data();
    }
    if (length != nullptr) {
        *length = value->bytes.size();
    }
    return done(env);
}

napi_status napi_create_typedarray(napi_env env, napi_typedarray_type element, size_t length, napi_value buffer, size_t offset, napi_value * result) {
    if (!buffer->is_buffer || offset != 0 || length * width_of(element) != buffer->bytes.size()) {
        broken("a typed array does not cover its buffer");
    }
    const napi_value made = js::make(env, napi_object);
    made->buffer = buffer;
    made->element = element;
    return give(env, made, result);
}

napi_status napi_is_typedarray(napi_env env, napi_value value, bool * result) {
    *result = value->buffer != nullptr;
    return done(env);
}

napi_status napi_get_typedarray_info(napi_env env, napi_value value, napi_typedarray_type * element, size_t * length, void ** data, napi_value * buffer,
                                     size_t * offset) {
    if (value->buffer == nullptr) {
        return fail(env, napi_invalid_arg);
    }
    const auto set = [](auto * to, auto from) {
        if (to != nullptr) {
            *to = from;
        }
    };
    set(element, value->element);
    set(length, value->buffer->bytes.size() / width_of(value->element));
    set(data, static_cast<void *>(value->buffer->bytes.data()));
    set(buffer, value->buffer);
    set(offset, size_t(0));
    return done(env);
}

napi_status napi_create_buffer_copy(napi_env env, size_t length, const void * data, void ** copy, napi_value * result) {
    const napi_value made = js::typed(env, napi_uint8_array, data, length);
    if (copy != nullptr) {
        *copy = made->buffer->bytes.data();
    }
    return give(env, made, result);
}

} // extern "C"
