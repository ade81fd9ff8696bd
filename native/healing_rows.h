// Turns what a matrix does to each token into rows of normal equations.
#pragma once

#include "healing.h"

// The divisor of an RMS norm with the settings' epsilon for these n values.
double divisor_of(const EquationSettings & settings, const float * output, int n);

// What a matrix does to a token: its inputs and outputs, the current state after the block and the wanted one.
struct TokenRow {
    const float * input;
    const float * output;
    const float * state;
    const float * wanted;
    int position;
};

// Weighted rows on their way into the normal equations of each kind of features in the settings.
class EquationRows {
public:
    EquationRows(const EquationSettings & settings, int n_in, int n_out);

    // Throws std::runtime_error if the states are not finite.
    void add(const TokenRow & token, const Workers & workers);

    // Sum over all rows.
    std::vector<FittedEquations> finish(const Workers & workers);

private:
    struct Features {
        FittedEquations into;
        std::vector<float> values;
        std::vector<double> lengths; // squares of each row

        // Returns whether they are finite.
        bool add(const float * row, double weight);
    };

    const EquationSettings & settings;
    int n_out;
    int count = 0;
    std::vector<double> wanted;
    std::vector<double> normed;
    std::vector<double> missing;
    std::vector<Features> kinds;
    std::vector<float> targets;

    void flush(const Workers & workers);
    double aim(const TokenRow & token);
};
