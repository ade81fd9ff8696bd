// What an input does: calls of the addon on the 12-block model. Arguments are those that src/ lets through, and those that only native/
// checks: values of another kind, lengths that do not fit, bytes that are no mask, blocks out of order or range, foreign handles.
#pragma once

#include "environment.h"
#include "tape.h"

#include <map>
#include <string>
#include <vector>

// The 12-block model, as fixture/README.md has it.
constexpr int n_blocks = 12;
constexpr int n_embd = 128;
constexpr int n_feed_forward = 384;
constexpr int n_vocab = 1024;

// How a call ended; neither is set if its job still runs.
struct Ended {
    napi_value result = nullptr; // what it returned, or what its promise gave
    napi_value error = nullptr;
};

using Arguments = std::vector<napi_value>;
using Properties = std::map<std::string, napi_value>;
// Bytes of typed arrays, by name; all NaN are alike.
using Figures = std::map<std::string, std::vector<uint8_t>>;

// Windows of tokens, with the options of how they run.
struct Cut {
    napi_value tokens = nullptr;
    int n_windows = 0;
    int length = 0;
    Properties options;
};

// Rows of bytes to measure, and on what.
struct Evaluation : Cut {
    std::vector<std::vector<uint8_t>> rows;
    bool own_weights = true; // no matrix has other values
};

class Program {
public:
    Program(napi_env env, napi_value addon, napi_value model, std::string path);

    // Runs one input to its end, and leaves the 12-block model as it was.
    void run(Tape tape);

    // Figures of the original model on a window of its own.
    Figures original();

private:
    napi_env env;
    napi_value addon;
    napi_value fixture;
    napi_value model; // that calls go to: the 12-block model, or another load of it
    std::string path;
    bool sound = true;  // the step has no argument that must be refused
    bool beside = false; // its jobs run beside the next step
    bool disposed = false; // of `model`
    std::vector<napi_value> replaced; // names of matrices of the 12-block model
    std::vector<napi_value> references, states, equations;
    std::vector<napi_value> waiting; // promises of jobs that nobody has waited for
    napi_value cancels = nullptr; // token that the next message cancels

    // Calls (program.cpp).
    Ended call(napi_value function, napi_value self, const Arguments & arguments);
    Ended method(const char * name, const Arguments & arguments);
    Ended exported(const char * name, const Arguments & arguments);
    Ended outcome_of(napi_value promise);
    void end_jobs();
    void restore();
    void set_view_rules();

    // Steps (program_jobs.cpp, program_evaluate.cpp).
    void step(Tape & tape);
    void evaluate(Tape & tape);
    void similarities(Tape & tape);
    void sample(Tape & tape);
    void hidden_states(Tape & tape);
    void fit(Tape & tape);
    void solve(Tape & tape);
    void replace_tensor(Tape & tape);
    void speed(Tape & tape);
    void text(Tape & tape);
    void convert(Tape & tape);
    void load(Tape & tape);
    void other(Tape & tape);

    // Arguments (program_arguments.cpp).
    napi_value odd(Tape & tape, napi_value given);
    napi_value number(double value) { return js::number(env, value); }
    napi_value boolean(bool value) { return js::boolean(env, value); }
    napi_value token(Tape & tape);
    napi_value message(std::function<void(const Arguments &)> use = {});
    std::vector<uint8_t> row(Tape & tape, const std::vector<uint8_t> & before, const std::vector<int> & version_blocks);
    napi_value mask(Tape & tape);
    napi_value stack(Tape & tape);
    napi_value tokens(Tape & tape, int n);
    Cut windows(Tape & tape);
    napi_value texts(Tape & tape);
    napi_value matrix_name(Tape & tape, int block);
    napi_value values_for(Tape & tape, const std::string & name, int & type);
    napi_value handle(Tape & tape, const std::vector<napi_value> & made);
    napi_value equation_settings(Tape & tape);
    napi_value versions(Tape & tape, std::vector<int> & blocks);
    Evaluation evaluation(Tape & tape);

    std::vector<Figures> measure(const Evaluation & what, napi_value token, Ended & ended);
    void check_losses(const Evaluation & what, const std::vector<Figures> & figures) const;
    void compare_alone(const Evaluation & all, const std::vector<Figures> & figures, Tape & tape);
};
