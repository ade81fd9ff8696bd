// Negative log-likelihoods of target tokens from rows of logits.
#pragma once

#include <cstdint>

// losses[i] = log(sum_j exp(logits[i][j])) - logits[i][targets[i]], nats; rows are split over threads.
// A row is summed by one thread in one order: the result does not depend on n_threads.
void token_losses(const float * logits, int64_t n_vocab, const int32_t * targets, int64_t n_rows, int n_threads, double * losses);
