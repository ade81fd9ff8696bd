// Arguments about a model's blocks and tokens.
#pragma once

#include "arguments.h"
#include "model_core.h"
#include "windows.h"

#include <vector>

// { windowLength, ... } and tokens: Int32Array of whole windows. Throws a RangeError otherwise.
Windows windows_of(const Napi::Value & tokens, const Napi::Object & options);

// The blocks that a mask (Uint8Array, one flag per block) keeps. The model must have its view. Throws a RangeError for a mask of another length.
std::vector<int> kept_of(const ModelCore & core, const Napi::Value & mask);
