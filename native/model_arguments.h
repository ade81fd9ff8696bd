// Arguments about a model's blocks and tokens.
#pragma once

#include "arguments.h"
#include "model_core.h"
#include "windows.h"

#include <vector>

// { windowLength, ... } and tokens: Int32Array of whole windows, each token one of the vocabulary. Throws a RangeError otherwise.
Windows windows_of(const ModelCore & core, const Napi::Value & tokens, const Napi::Object & options);

// The stack that a mask (Uint8Array, one byte per block) names; it may name no versions. The model must have its view. Throws a RangeError for
// a mask of another length, and for parts that do not alternate.
Stack kept_of(const ModelCore & core, const Napi::Value & mask);
