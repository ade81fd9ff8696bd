// The numbers that llama.cpp holds about a model's blocks, for a view of some of them.
#pragma once

#include "stacked_block.h"

#include "llama-hparams.h"

#include <string>
#include <vector>

// For a view that shows `trunk`, then the tail (multi-token prediction). `leading_counts` as in ViewRules.
llama_hparams hparams_of(const llama_hparams & original, const Stack & trunk, const std::vector<std::string> & leading_counts);
