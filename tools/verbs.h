// The verbs of the `switchyard` program: each file adds its own to the command line.
#pragma once
#include <functional>

#include <CLI/CLI.hpp>

// Exit codes, part of the contract: 0 done, 1 a bug of ours (or a re-enactment that differs), 2 bad input or usage.
enum Exit : int { kDone = 0, kBug = 1, kBadInput = 2 };

// What was asked for: set while the command line is parsed, called after it. Errors: yard::InputError.
using Action = std::function<int()>;

void add_replay(CLI::App&, Action&);    // replay
void add_validate(CLI::App&, Action&);  // validate
void add_explain(CLI::App&, Action&);   // explain
void add_cost(CLI::App&, Action&);      // cost
void add_looks(CLI::App&, Action&);     // topo, fleet, policies, models, accelerators, trace
