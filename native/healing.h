// What a cut does to the residual stream, and how a matrix before it can compensate.
#pragma once

#include "block_run.h"
#include "normal_equations.h"

#include <memory>
#include <vector>

struct HealingRun {
    Windows windows;
    int n_ubatch = 512;
    int n_threads = 1;
    Stack kept;                             // blocks that run; a merged one is named by its feed-forward part below
    std::shared_ptr<const StateRows> from;  // the state before the first of them; none means the tokens
};

// The states after some of the kept blocks, windows x length rows each. Blocks after the last of them do not run.
std::vector<std::shared_ptr<StateRows>> hidden_states(ModelCore & core, const CancelFlag & cancel, const HealingRun & run, const std::vector<int> & after);

struct EquationSettings {
    std::string weight;    // matrix of one of the kept blocks
    bool on_inputs = true;   // fit to the inputs of the matrix
    bool on_outputs = false; // fit to its outputs
    int after = 0;         // kept block after which the states are compared
    float relative = 0.0f; // rows are weighted by (mean square of the target state) to the power of - relative
    float scale = 1.0f;    // factor of the architecture on the matrix's output before it is added
    std::vector<float> norm; // weights of an RMS norm between the matrix and the residual stream; empty for none
    float norm_epsilon = 0.0f; // what that norm adds to the mean square
};

// Targets are the given states minus those after block `after`. With a norm they are what its inputs lack to come closer to that. Features
// are the inputs of the matrix, its outputs, or each separately, in this order, from one run.
struct FittedEquations {
    bool on_outputs;
    std::shared_ptr<NormalEquations> equations;
};
std::vector<FittedEquations> normal_equations(ModelCore & core, const CancelFlag & cancel, const HealingRun & run, const EquationSettings & settings,
                                              const StateRows & target);

// For other weights of the norm of the settings, which keeps its current weights: for each channel the sums of z t and of z z over the
// tokens except the first of each window. Here z is the normalized value and t its target.
struct NormSums {
    std::vector<double> products;
    std::vector<double> squares;
};
NormSums norm_sums(ModelCore & core, const CancelFlag & cancel, const HealingRun & run, const EquationSettings & settings, const StateRows & target);

// How the output of a matrix reaches the residual stream: state(after) with the matrix minus state(after) with zeros in its place, on
// its product's values y (through an RMS norm with these weights if given).
struct OutputPath {
    double scale = 0.0;       // by least squares
    double unexplained = 1.0; // share of the difference's squares that scale * y leaves
};
OutputPath output_path(ModelCore & core, const CancelFlag & cancel, const HealingRun & run, const EquationSettings & settings);
