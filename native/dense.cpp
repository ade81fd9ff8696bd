#include "dense.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <thread>

namespace {

// The micro-kernel's tile: its sums fit into the registers of the target processor.
#if defined(__AVX512F__)
constexpr int lanes = 8, tile_rows = 8, tile_vectors = 2;
#elif defined(__AVX__)
constexpr int lanes = 4, tile_rows = 6, tile_vectors = 2;
#else
constexpr int lanes = 2, tile_rows = 4, tile_vectors = 2;
#endif
constexpr int tile_columns = lanes * tile_vectors;
// Block sizes of a task: packed operands of 2 x 240 x 256 doubles fit the second-level cache.
constexpr int task_size = 240;
constexpr int task_depth = 256;
// Block size of the factorization.
constexpr int panel = 128;

#if defined(__GNUC__)
typedef double vector_t __attribute__((vector_size(lanes * sizeof(double)), aligned(sizeof(double))));
#else
struct vector_t {
    double values[lanes];
};
#endif

// sums(r, c) = sum over k of a[k][r] * b[k][c]
void micro_kernel(int depth, const double * a, const double * b, double * sums) {
#if defined(__GNUC__)
    vector_t acc[tile_rows][tile_vectors] = {};
    for (int k = 0; k < depth; ++k, a += tile_rows, b += tile_columns) {
        vector_t right[tile_vectors];
#pragma GCC unroll 8
        for (int v = 0; v < tile_vectors; ++v) {
            right[v] = *reinterpret_cast<const vector_t *>(b + v * lanes);
        }
#pragma GCC unroll 8
        for (int r = 0; r < tile_rows; ++r) {
#pragma GCC unroll 8
            for (int v = 0; v < tile_vectors; ++v) {
                acc[r][v] += a[r] * right[v];
            }
        }
    }
    std::memcpy(sums, acc, sizeof acc);
#else
    std::fill(sums, sums + tile_rows * tile_columns, 0.0);
    for (int k = 0; k < depth; ++k, a += tile_rows, b += tile_columns) {
        for (int r = 0; r < tile_rows; ++r) {
            for (int c = 0; c < tile_columns; ++c) {
                sums[r * tile_columns + c] += a[r] * b[c];
            }
        }
    }
#endif
}

// Columns first..first+count of a matrix in strips of `width` columns, each strip row after row, padded with zeros.
template <class T> void pack(const Strided<const T> & from, int first, int count, int depth_first, int depth, int width, double * to) {
    for (int at = 0; at < count; at += width) {
        const int here = std::min(width, count - at);
        for (int k = 0; k < depth; ++k, to += width) {
            const T * row = &from.at(depth_first + k, first + at);
            for (int c = 0; c < here; ++c) {
                to[c] = double(row[c * from.column]);
            }
            std::fill(to + here, to + width, 0.0);
        }
    }
}

// Runs tasks 0..count-1 on the workers' threads; the first exception is thrown again.
void run_tasks(int count, const Workers & workers, const std::function<void(int)> & task) {
    std::atomic<int> next{ 0 };
    std::exception_ptr problem;
    std::mutex mutex;
    const auto work = [&] {
        try {
            for (int i = next++; i < count; i = next++) {
                if (workers.check) {
                    workers.check();
                }
                task(i);
            }
        } catch (...) {
            const std::lock_guard<std::mutex> lock(mutex);
            problem = problem ? problem : std::current_exception();
            next = count;
        }
    };
    std::vector<std::thread> threads;
    for (int i = 1; i < std::min(workers.n_threads, count); ++i) {
        try {
            threads.emplace_back(work);
        } catch (const std::system_error &) { // the system allows no more threads: the others do its share
            break;
        }
    }
    work();
    for (auto & thread : threads) {
        thread.join();
    }
    if (problem) {
        std::rethrow_exception(problem);
    }
}

bool wanted(Part part, int i, int j) {
    return part == Part::all || (part == Part::upper ? j >= i : j <= i);
}

template <class A, class B>
void product_task(const Strided<const A> & a, const Strided<const B> & b, const Strided<double> & c, int row, int rows, int column, int columns, int depth,
                  double alpha, Part part) {
    static thread_local std::vector<double> left;
    static thread_local std::vector<double> right;
    const auto strips = [](int count, int width) { return size_t(count + width - 1) / width * width; };
    left.resize(strips(rows, tile_rows) * task_depth);
    right.resize(strips(columns, tile_columns) * task_depth);
    double sums[tile_rows * tile_columns];
    for (int k = 0; k < depth; k += task_depth) {
        const int here = std::min(task_depth, depth - k);
        pack(a, row, rows, k, here, tile_rows, left.data());
        pack(b, column, columns, k, here, tile_columns, right.data());
        for (int j = 0; j < columns; j += tile_columns) {
            for (int i = 0; i < rows; i += tile_rows) {
                micro_kernel(here, left.data() + size_t(i) * here, right.data() + size_t(j) * here, sums);
                for (int r = 0; r < std::min(tile_rows, rows - i); ++r) {
                    for (int s = 0; s < std::min(tile_columns, columns - j); ++s) {
                        if (wanted(part, row + i + r, column + j + s)) {
                            c.at(row + i + r, column + j + s) += alpha * sums[r * tile_columns + s];
                        }
                    }
                }
            }
        }
    }
}

template <class A, class B>
void product(const Strided<const A> & a, const Strided<const B> & b, const Strided<double> & c, int m, int n, int depth, double alpha, Part part,
             const Workers & workers) {
    std::vector<std::pair<int, int>> tasks;
    for (int i = 0; i < m; i += task_size) {
        for (int j = 0; j < n; j += task_size) {
            const int last_i = std::min(i + task_size, m) - 1;
            const int last_j = std::min(j + task_size, n) - 1;
            if (part == Part::all || (part == Part::upper ? last_j >= i : last_i >= j)) {
                tasks.emplace_back(i, j);
            }
        }
    }
    run_tasks(int(tasks.size()), workers, [&](int t) {
        const auto [i, j] = tasks[t];
        product_task(a, b, c, i, std::min(task_size, m - i), j, std::min(task_size, n - j), depth, alpha, part);
    });
}

// The factor L of the diagonal block, in its lower triangle.
void factor_block(const Strided<double> & l, int size) {
    for (int j = 0; j < size; ++j) {
        double pivot = l.at(j, j);
        for (int k = 0; k < j; ++k) {
            pivot -= l.at(j, k) * l.at(j, k);
        }
        if (!(pivot > 0.0) || !std::isfinite(pivot)) {
            throw std::runtime_error("the normal equations are not positive definite: use a larger ridge or more tokens");
        }
        pivot = std::sqrt(pivot);
        l.at(j, j) = pivot;
        for (int i = j + 1; i < size; ++i) {
            double value = l.at(i, j);
            for (int k = 0; k < j; ++k) {
                value -= l.at(i, k) * l.at(j, k);
            }
            l.at(i, j) = value / pivot;
        }
    }
}

constexpr int columns_at_once = 64;

// b becomes L^-1 b (or L^-T b): L is size x size, b size x m. A few columns at a time, copied together.
void solve_block(const Strided<const double> & l, int size, const Strided<double> & b, int m, bool transposed, const Workers & workers) {
    run_tasks((m + columns_at_once - 1) / columns_at_once, workers, [&](int t) {
        const int first = t * columns_at_once;
        const int count = std::min(columns_at_once, m - first);
        double x[panel][columns_at_once] = {};
        for (int i = 0; i < size; ++i) {
            for (int c = 0; c < count; ++c) {
                x[i][c] = b.at(i, first + c);
            }
        }
        for (int step = 0; step < size; ++step) {
            const int i = transposed ? size - 1 - step : step;
            for (int before = 0; before < step; ++before) {
                const int k = transposed ? size - 1 - before : before;
                const double factor = transposed ? l.at(k, i) : l.at(i, k);
                for (int c = 0; c < columns_at_once; ++c) {
                    x[i][c] -= factor * x[k][c];
                }
            }
            const double pivot = l.at(i, i);
            for (int c = 0; c < columns_at_once; ++c) {
                x[i][c] /= pivot;
            }
        }
        for (int i = 0; i < size; ++i) {
            for (int c = 0; c < count; ++c) {
                b.at(i, first + c) = x[i][c];
            }
        }
    });
}

Strided<const double> constant(const Strided<double> & view) {
    return { view.data, view.row, view.column };
}

// A's lower triangle becomes its Cholesky factor, block column by block column.
void factor(const Strided<double> & a, int n, const Workers & workers) {
    for (int k = 0; k < n; k += panel) {
        const int size = std::min(panel, n - k);
        const int below = n - k - size;
        factor_block(a.from(k, k), size);
        if (below == 0) {
            break;
        }
        const Strided<double> column = a.from(k + size, k); // below x size
        solve_block(constant(a.from(k, k)), size, column.transposed(), below, false, workers);
        const Strided<const double> rows = constant(column.transposed());
        add_product(rows, rows, a.from(k + size, k + size), below, below, size, -1.0, Part::lower, workers);
    }
}

} // namespace

void add_product(const Strided<const float> & a, const Strided<const float> & b, const Strided<double> & c, int m, int n, int depth, double alpha, Part part,
                 const Workers & workers) {
    product(a, b, c, m, n, depth, alpha, part, workers);
}

void add_product(const Strided<const double> & a, const Strided<const double> & b, const Strided<double> & c, int m, int n, int depth, double alpha, Part part,
                 const Workers & workers) {
    product(a, b, c, m, n, depth, alpha, part, workers);
}

void add_product(const Strided<const float> & a, const Strided<const double> & b, const Strided<double> & c, int m, int n, int depth, double alpha, Part part,
                 const Workers & workers) {
    product(a, b, c, m, n, depth, alpha, part, workers);
}

void solve_symmetric(std::vector<double> & a, int n, double shift, std::vector<double> & b, int m, const Workers & workers) {
    const Strided<double> whole{ a.data(), n, 1 };
    const Strided<double> right{ b.data(), m, 1 };
    std::vector<double> diagonal(n);
    run_tasks((n + panel - 1) / panel, workers, [&](int t) {
        for (int i = t * panel; i < std::min(n, (t + 1) * panel); ++i) {
            for (int j = 0; j < i; ++j) {
                whole.at(i, j) = whole.at(j, i);
            }
            diagonal[i] = whole.at(i, i);
        }
    });
    const auto restore = [&] {
        for (int i = 0; i < n; ++i) {
            whole.at(i, i) = diagonal[i];
        }
    };
    for (int i = 0; i < n; ++i) {
        whole.at(i, i) += shift;
    }
    try {
        factor(whole, n, workers);
        for (int k = 0; k < n; k += panel) { // L y = b
            const int size = std::min(panel, n - k);
            solve_block(constant(whole.from(k, k)), size, right.from(k, 0), m, false, workers);
            const int below = n - k - size;
            add_product(constant(whole.from(k + size, k).transposed()), constant(right.from(k, 0)), right.from(k + size, 0), below, m, size, -1.0, Part::all, workers);
        }
        for (int k = (n - 1) / panel * panel; k >= 0; k -= panel) { // L^T x = y
            const int size = std::min(panel, n - k);
            const int below = n - k - size;
            add_product(constant(whole.from(k + size, k)), constant(right.from(k + size, 0)), right.from(k, 0), size, m, below, -1.0, Part::all, workers);
            solve_block(constant(whole.from(k, k)), size, right.from(k, 0), m, true, workers);
        }
    } catch (...) {
        restore();
        throw;
    }
    restore();
}
