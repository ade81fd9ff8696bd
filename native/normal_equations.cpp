#include "normal_equations.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace {

// Rows of a result held in double precision at a time.
constexpr int at_once = 256;

} // namespace

void NormalEquations::add(const std::vector<float> & features, const std::vector<float> & targets, int rows, const Workers & workers) {
    const Strided<const float> a{ features.data(), n_in, 1 };
    const Strided<const float> y{ targets.data(), n_out, 1 };
    add_product(a, a, { gram.data(), n_in, 1 }, n_in, n_in, rows, 1.0, Part::upper, workers);
    add_product(a, y, { cross.data(), n_out, 1 }, n_in, n_out, rows, 1.0, Part::all, workers);
    for (size_t i = 0; i < size_t(rows) * n_out; ++i) {
        squares += count_of(int(i % n_out)) * targets[i] * targets[i];
    }
    n_rows += rows;
}

std::vector<float> NormalEquations::solve(double ridge, const Workers & workers) {
    if (!std::isfinite(unit) || unit <= 0.0) {
        throw std::runtime_error("the inputs of the fit are zero or not finite, so it cannot be solved");
    }
    std::vector<double> x = cross;
    solve_symmetric(gram, n_in, ridge * unit, x, n_out, workers);
    std::vector<float> update(size_t(n_out) * n_in);
    for (int o = 0; o < n_out; ++o) {
        for (int i = 0; i < n_in; ++i) {
            update[size_t(o) * n_in + i] = float(x[size_t(i) * n_out + o]);
        }
    }
    return update;
}

// |Y|^2 - 2 <update, Y^T A> + <update, update A^T A>, some rows of the update at a time.
double NormalEquations::residual_squares(const std::vector<float> & update, const Workers & workers) {
    const Strided<const double> whole = whole_gram();
    std::vector<double> product;
    double sum = squares;
    for (int first = 0; first < n_out; first += at_once) {
        const int rows = std::min(at_once, n_out - first);
        product.assign(size_t(rows) * n_in, 0.0);
        const Strided<const float> transposed{ update.data() + size_t(first) * n_in, 1, n_in }; // n_in x rows
        add_product(transposed, whole, { product.data(), n_in, 1 }, rows, n_in, n_in, 1.0, Part::all, workers);
        for (int o = 0; o < rows; ++o) {
            double change = 0.0;
            for (int i = 0; i < n_in; ++i) {
                change += update[size_t(first + o) * n_in + i] * (product[size_t(o) * n_in + i] - 2.0 * cross[size_t(i) * n_out + first + o]);
            }
            sum += count_of(first + o) * change;
        }
    }
    return sum;
}

Strided<const double> NormalEquations::whole_gram() {
    // In tiles: one column at a time would fetch a cache line for each value.
    constexpr int tile = 64;
    for (int row = 0; row < n_in; row += tile) {
        for (int column = 0; column <= row; column += tile) {
            for (int i = row; i < std::min(n_in, row + tile); ++i) {
                for (int j = column; j < std::min(i, column + tile); ++j) {
                    gram[size_t(i) * n_in + j] = gram[size_t(j) * n_in + i];
                }
            }
        }
    }
    return { gram.data(), n_in, 1 };
}

std::vector<float> through_matrix(const std::vector<float> & update, const std::vector<float> & matrix, int n, const Workers & workers) {
    if (update.size() != size_t(n) * n || matrix.empty() || matrix.size() % n != 0) {
        throw std::runtime_error("the matrix must give as many values as the update takes");
    }
    const int n_in = int(matrix.size() / n);
    std::vector<float> changed(matrix.size());
    std::vector<double> product;
    for (int first = 0; first < n; first += at_once) {
        const int rows = std::min(at_once, n - first);
        product.assign(size_t(rows) * n_in, 0.0);
        const Strided<const float> transposed{ update.data() + size_t(first) * n, 1, n }; // n x rows
        add_product(transposed, Strided<const float>{ matrix.data(), n_in, 1 }, { product.data(), n_in, 1 }, rows, n_in, n, 1.0, Part::all, workers);
        std::copy(product.begin(), product.end(), changed.begin() + ptrdiff_t(first) * n_in);
    }
    return changed;
}
