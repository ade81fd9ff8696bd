// Work on rows of numbers, spread over threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <system_error>
#include <thread>
#include <vector>

// Calls work(first, last) for parts of 0..n_rows-1, one per thread. The work must not throw.
template <class Work> void over_threads(int64_t n_rows, int n_threads, const Work & work) {
    const int64_t n_workers = std::clamp<int64_t>(n_threads, 1, std::max<int64_t>(1, n_rows));
#ifdef _OPENMP
    // The threads that ggml has just used, which may still be spinning.
    #pragma omp parallel for schedule(static) num_threads(int(n_workers))
    for (int64_t w = 0; w < n_workers; ++w) {
        work(n_rows * w / n_workers, n_rows * (w + 1) / n_workers);
    }
#else
    std::vector<std::thread> threads;
    for (int64_t w = 1; w < n_workers; ++w) {
        try {
            threads.emplace_back(work, n_rows * w / n_workers, n_rows * (w + 1) / n_workers);
        } catch (const std::system_error &) { // the system allows no more threads
            work(n_rows * w / n_workers, n_rows * (w + 1) / n_workers);
        }
    }
    work(0, n_rows / n_workers);
    for (auto & thread : threads) {
        thread.join();
    }
#endif
}
