// Arguments from JavaScript, checked before they are read: a wrong kind is a TypeError, and memory is never read as something else.
#pragma once

#include "napi_setup.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <vector>

// The tag of objects of type T in Node-API. An address is unique in the process: another copy of the addon has other tags.
template <class T> const napi_type_tag & type_tag() {
    static char anchor = 0;
    static const napi_type_tag tag{ 0x7072756e65676775, uint64_t(reinterpret_cast<uintptr_t>(&anchor)) };
    return tag;
}

// Whether a value is the object of the addon that holds a T.
template <class T> bool holds(const Napi::Value & value) {
    return (value.IsObject() || value.IsExternal()) && value.As<Napi::Object>().CheckTypeTag(&type_tag<T>());
}

// A wrapped object: T derives from Napi::ObjectWrap<T> and tags its object. Throws a TypeError for any other value.
template <class T> T & unwrap(const Napi::Value & value, const char * expected) {
    if (!holds<T>(value)) {
        throw Napi::TypeError::New(value.Env(), std::string("expected ") + expected + " of this addon");
    }
    return *T::Unwrap(value.As<Napi::Object>());
}

// JavaScript's view of something native: an opaque handle that shares it. The garbage collector is told about `bytes`.
template <class T> Napi::Value handle_of(Napi::Env env, const std::shared_ptr<T> & held, int64_t bytes) {
    Napi::MemoryManagement::AdjustExternalMemory(env, bytes);
    const auto handle = Napi::External<std::shared_ptr<T>>::New(env, new std::shared_ptr<T>(held), [bytes](Napi::Env env, std::shared_ptr<T> * owned) {
        delete owned;
        Napi::MemoryManagement::AdjustExternalMemory(env, -bytes);
    });
    handle.TypeTag(&type_tag<T>());
    return handle;
}

// The shared pointer behind such a handle, empty if it was freed. Throws a TypeError for any other value.
template <class T> std::shared_ptr<T> & held_in(const Napi::Value & handle) {
    if (!handle.IsExternal() || !holds<T>(handle)) {
        throw Napi::TypeError::New(handle.Env(), "expected a handle that this addon gave out for this use");
    }
    return *handle.As<Napi::External<std::shared_ptr<T>>>().Data();
}

// The same for a handle that must not have been freed.
template <class T> std::shared_ptr<T> held_by(const Napi::Value & handle) {
    const std::shared_ptr<T> & held = held_in<T>(handle);
    if (!held) {
        throw Napi::Error::New(handle.Env(), "this was freed");
    }
    return held;
}

template <class T> constexpr napi_typedarray_type array_type() {
    static_assert(std::is_same_v<T, int32_t> || std::is_same_v<T, uint8_t> || std::is_same_v<T, float>);
    return std::is_same_v<T, int32_t> ? napi_int32_array : std::is_same_v<T, uint8_t> ? napi_uint8_array : napi_float32_array;
}

// A copy of a typed array's values.
template <class T> std::vector<T> values_of(const Napi::Value & value) {
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != array_type<T>()) {
        const char * expected = std::is_same_v<T, int32_t> ? "an Int32Array" : std::is_same_v<T, uint8_t> ? "a Uint8Array" : "a Float32Array";
        throw Napi::TypeError::New(value.Env(), std::string("expected ") + expected);
    }
    const auto array = value.As<Napi::TypedArrayOf<T>>();
    return std::vector<T>(array.Data(), array.Data() + array.ElementLength());
}

// The same, or nothing for undefined.
template <class T> std::vector<T> values_if_given(const Napi::Value & value) {
    return value.IsUndefined() ? std::vector<T>() : values_of<T>(value);
}

// A number as T. Throws a TypeError for another kind of value, and a RangeError for a fraction or a number that T cannot hold.
template <class T> T number_of(const Napi::Value & value, const char * name) {
    if (!value.IsNumber()) {
        throw Napi::TypeError::New(value.Env(), std::string(name) + " must be a number");
    }
    const double number = value.As<Napi::Number>().DoubleValue();
    if constexpr (std::is_integral_v<T>) {
        constexpr double exact = 9007199254740992.0; // 2^53
        const double least = std::max(double(std::numeric_limits<T>::min()), -exact);
        const double most = std::min(double(std::numeric_limits<T>::max()), exact);
        if (!(number >= least && number <= most) || number != std::trunc(number)) {
            throw Napi::RangeError::New(value.Env(), std::string(name) + " must be a whole number from " + std::to_string(int64_t(least)) + " to " +
                                                         std::to_string(int64_t(most)));
        }
    } else if (!std::isfinite(number)) {
        throw Napi::RangeError::New(value.Env(), std::string(name) + " must be a finite number");
    }
    return T(number);
}

template <class T> T number(const Napi::Object & options, const char * name) {
    return number_of<T>(options.Get(name), name);
}

inline bool boolean(const Napi::Object & options, const char * name) {
    return options.Get(name).ToBoolean().Value();
}

// An error with a code that src/model/runtime/cancel.ts knows.
inline Napi::Error coded_error(Napi::Env env, const char * code, const std::string & message) {
    Napi::Error error = Napi::Error::New(env, message);
    error.Set("code", Napi::String::New(env, code));
    return error;
}

// Calls llama.cpp on the JavaScript thread. Its exceptions become errors with the code of a failed evaluation.
template <class Call> auto guarded(Napi::Env env, const char * doing, const Call & call) {
    try {
        return call();
    } catch (const Napi::Error &) {
        throw;
    } catch (const std::bad_alloc &) {
        throw coded_error(env, "NOT_ENOUGH_MEMORY", std::string("there is not enough memory to ") + doing);
    } catch (const std::exception & problem) {
        throw coded_error(env, "EVALUATION_FAILED", std::string("llama.cpp could not ") + doing + ": " + problem.what());
    }
}
