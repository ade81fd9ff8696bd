// What a cut does to the residual stream, and what a matrix before it can do about that.
#pragma once

#include "block_run.h"
#include "normal_equations.h"

#include <memory>
#include <vector>

struct HealingRun {
    Windows windows;
    int n_ubatch = 512;
    int n_threads = 1;
    std::vector<int> kept;                  // blocks that run, ascending
    std::shared_ptr<const StateRows> from;  // the state before the first of them; none for the tokens
};

// The states after some of the kept blocks, windows x length rows each. Blocks behind the last of them do not run.
std::vector<std::shared_ptr<StateRows>> hidden_states(ModelCore & core, const CancelFlag & cancel, const HealingRun & run, const std::vector<int> & after);

struct EquationSettings {
    std::string weight;    // matrix of one of the kept blocks
    bool on_inputs = true;   // fit to what the matrix is multiplied with
    bool on_outputs = false; // fit to what it gives
    int after = 0;         // kept block after which the states are compared
    float relative = 0.0f; // rows count by (mean square of the target state) to the power of - relative
    float scale = 1.0f;    // by which the architecture multiplies what the matrix gives before it is added
    std::vector<float> norm; // weights of an RMS norm between the matrix and the residual stream; empty for none
    float norm_epsilon = 0.0f; // what that norm adds to the mean square
};

// Targets are the given states minus those after block `after` (behind a norm what its inputs lack to come nearest to that), features
// what the matrix is multiplied with, what it gives, or each for itself, in this order, from one run.
struct FittedEquations {
    bool on_outputs;
    std::shared_ptr<NormalEquations> equations;
};
std::vector<FittedEquations> normal_equations(ModelCore & core, const CancelFlag & cancel, const HealingRun & run, const EquationSettings & settings,
                                              const StateRows & target);

// For other weights of the norm of the settings, which stands as it is there: for each channel the sums of z t and of z z over the tokens
// but the first of each window, where z is what the norm divides to and t what it should give.
struct NormSums {
    std::vector<double> products;
    std::vector<double> squares;
};
NormSums norm_sums(ModelCore & core, const CancelFlag & cancel, const HealingRun & run, const EquationSettings & settings, const StateRows & target);

// How what a matrix gives reaches the residual stream: state(after) with the matrix minus state(after) with zeros in its place, on
// its product's values y (through an RMS norm with these weights where given).
struct OutputPath {
    double scale = 0.0;       // by least squares
    double unexplained = 1.0; // share of the difference's squares that scale * y leaves
};
OutputPath output_path(ModelCore & core, const CancelFlag & cancel, const HealingRun & run, const EquationSettings & settings);
