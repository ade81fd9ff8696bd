// Results of jobs in the form that JavaScript gets.
#pragma once

#include "napi_setup.h"

#include <algorithm>
#include <vector>

template <class T> Napi::TypedArrayOf<T> typed_array(Napi::Env env, const std::vector<T> & values) {
    auto array = Napi::TypedArrayOf<T>::New(env, values.size());
    std::copy(values.begin(), values.end(), array.Data());
    return array;
}

// An array with `item(i)` for each i.
template <class Item> Napi::Array array_of(Napi::Env env, size_t size, const Item & item) {
    Napi::Array array = Napi::Array::New(env, size);
    for (size_t i = 0; i < size; ++i) {
        array.Set(uint32_t(i), item(i));
    }
    return array;
}
