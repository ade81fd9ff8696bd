// Dense linear algebra in double precision for least squares: products and a Cholesky factorization, in tiles, on several threads.
// Own code (a micro-kernel as in Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008) rather than a
// library: those that are fetched by pin like llama.cpp are in no registry that a build can count on.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

// A matrix in somebody's memory; strides in elements.
template <class T> struct Strided {
    T * data;
    ptrdiff_t row;
    ptrdiff_t column;

    T & at(ptrdiff_t i, ptrdiff_t j) const { return data[i * row + j * column]; }
    Strided from(ptrdiff_t i, ptrdiff_t j) const { return { data + i * row + j * column, row, column }; }
    Strided transposed() const { return { data, column, row }; }
};

// Which elements of a product are wanted.
enum class Part { all, upper, lower }; // each triangle with the diagonal

struct Workers {
    int n_threads = 1;
    std::function<void()> check; // called now and then on each thread; throws to stop
};

// c(i, j) += alpha * sum over k of a(k, i) * b(k, j), for i < m, j < n, k < depth.
void add_product(const Strided<const float> & a, const Strided<const float> & b, const Strided<double> & c, int m, int n, int depth, double alpha, Part part,
                 const Workers & workers);
void add_product(const Strided<const double> & a, const Strided<const double> & b, const Strided<double> & c, int m, int n, int depth, double alpha, Part part,
                 const Workers & workers);
void add_product(const Strided<const float> & a, const Strided<const double> & b, const Strided<double> & c, int m, int n, int depth, double alpha, Part part,
                 const Workers & workers);

// Solves (A + shift I) X = B in place: A is n x n, symmetric, row by row, its upper triangle given, and its lower one used for the
// factor, so that no second n x n matrix is held. B is n x m, row by row, and becomes X. A's upper triangle is left as it was.
// Throws std::runtime_error where A + shift I is not positive definite.
void solve_symmetric(std::vector<double> & a, int n, double shift, std::vector<double> & b, int m, const Workers & workers);
