// Arguments that speak of a model's blocks and of tokens.
#pragma once

#include "arguments.h"
#include "model_core.h"
#include "windows.h"

#include <vector>

// { windowLength, ... } and tokens: Int32Array of whole windows. Throws a RangeError where they are none.
Windows windows_of(const Napi::Value & tokens, const Napi::Object & options);

// The blocks that a mask (Uint8Array, a flag per block) keeps. The model must have its view. Throws a RangeError for a mask of another length.
std::vector<int> kept_of(const ModelCore & core, const Napi::Value & mask);
