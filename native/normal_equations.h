// Least squares of what a cut removes, on the inputs or outputs of a given matrix: (A^T A + ridge) X = A^T Y.
#pragma once

#include "dense.h"

#include <cstdint>
#include <vector>

class NormalEquations {
public:
    // n_in features, n_out targets. Holds (n_in + n_out) x n_in doubles.
    NormalEquations(int n_in, int n_out) : n_in(n_in), n_out(n_out), gram(size_t(n_in) * n_in), cross(size_t(n_in) * n_out) {}

    const int n_in;
    const int n_out;
    int64_t n_rows = 0;
    double unit = 0.0;          // unit of a ridge
    std::vector<double> counts; // weight of each target's squares in the two sums below; empty for 1 each

    // Rows of features (rows x n_in) and targets (rows x n_out), both already multiplied by each row's weight.
    void add(const std::vector<float> & features, const std::vector<float> & targets, int rows, const Workers & workers);

    // argmin of sum |y - update a|^2 + ridge * unit * |update|^2; n_out x n_in, row by row.
    std::vector<float> solve(double ridge, const Workers & workers);

    // Weighted sum of |y|^2 over the rows, and the same with an update: how much of the targets the features explain. (Each target
    // has its own least squares, so its weight changes nothing there.)
    double target_squares() const { return squares; }
    double residual_squares(const std::vector<float> & update, const Workers & workers);

private:
    std::vector<double> gram;  // A^T A: its upper triangle; the lower one holds a factor, or a copy
    std::vector<double> cross; // n_in x n_out
    double squares = 0.0;

    double count_of(int target) const { return counts.empty() ? 1.0 : counts[target]; }
    Strided<const double> whole_gram(); // the lower triangle written over
};

// Turns an update of a matrix's outputs (n x n) into an update of the matrix (n x n_in): update x matrix. If the update was fitted to the
// outputs, this is the map of ReplaceMe (arXiv 2505.02819, eq. 5).
std::vector<float> through_matrix(const std::vector<float> & update, const std::vector<float> & matrix, int n, const Workers & workers);
