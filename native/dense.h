// Dense linear algebra in double precision for least squares: products and a Cholesky factorization, in tiles, on several threads.
// Written here (a micro-kernel as in Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008): no suitable
// library can be fetched by pin, as llama.cpp is, from a registry that a build can rely on.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

// A matrix in memory that something else owns; strides in elements.
template <class T> struct Strided {
    T * data;
    ptrdiff_t row;
    ptrdiff_t column;

    T & at(ptrdiff_t i, ptrdiff_t j) const { return data[i * row + j * column]; }
    Strided from(ptrdiff_t i, ptrdiff_t j) const { return { data + i * row + j * column, row, column }; }
    Strided transposed() const { return { data, column, row }; }
};

// Which elements of a product are computed.
enum class Part { all, upper, lower }; // each triangle includes the diagonal

struct Workers {
    int n_threads = 1;
    std::function<void()> check; // called from time to time on each thread; throws to stop
};

// c(i, j) += alpha * sum over k of a(k, i) * b(k, j), for i < m, j < n, k < depth.
void add_product(const Strided<const float> & a, const Strided<const float> & b, const Strided<double> & c, int m, int n, int depth, double alpha, Part part,
                 const Workers & workers);
void add_product(const Strided<const double> & a, const Strided<const double> & b, const Strided<double> & c, int m, int n, int depth, double alpha, Part part,
                 const Workers & workers);
void add_product(const Strided<const float> & a, const Strided<const double> & b, const Strided<double> & c, int m, int n, int depth, double alpha, Part part,
                 const Workers & workers);

// Solves (A + shift I) X = B in place: A is n x n, symmetric, row by row. Its upper triangle is given and left as it was; its lower one
// holds the factor, so that no second n x n matrix is needed. B is n x m, row by row, and becomes X.
// Throws std::runtime_error if A + shift I is not positive definite.
void solve_symmetric(std::vector<double> & a, int n, double shift, std::vector<double> & b, int m, const Workers & workers);
