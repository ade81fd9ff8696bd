// Calls of the addon that need no model, or only what a handle holds. Each is listed with its TypeScript signature in
// src/model/runtime/addon.ts.
#pragma once

#include "napi_setup.h"

// quantize(input, output, { fileType, threads, pure }, cancel, onProgress(tensors done, all)): Promise<void>
Napi::Value quantize_file(const Napi::CallbackInfo & info);
// quantizeValues(values: Float32Array, type, rowLength, cancel): Promise<Uint8Array>
Napi::Value quantize_values(const Napi::CallbackInfo & info);
// dequantizeBytes(bytes: Uint8Array, type, rowLength, cancel): Promise<Float32Array>
Napi::Value dequantize_bytes(const Napi::CallbackInfo & info);

// stateValues(states): Float32Array, one row per token
Napi::Value state_values(const Napi::CallbackInfo & info);
// freeEquations(equations): void; handles to them become useless
Napi::Value free_equations(const Napi::CallbackInfo & info);
// solveEquations(equations, { ridge, threads }, through: Float32Array | undefined, cancel): Promise<{ update, explained }>
Napi::Value solve_equations(const Napi::CallbackInfo & info);
// timeLeastSquares({ inputs, outputs, rows, threads, onOutputs }, cancel): Promise<{ accumulate, solve }>
Napi::Value time_least_squares(const Napi::CallbackInfo & info);
