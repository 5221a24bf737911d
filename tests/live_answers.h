// A model that counts, and its answers: what tests of the public door ask and expect.
#pragma once
#include <switchyard/scheduler.h>
#include <switchyard/step.h>

#include <cstddef>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "tests/gate.h"

namespace switchyard {

// One forward pass: each sequence goes on from its last token.
inline void count_up(StepView& step) {
  for (StepSlot& slot : step)
    if (slot.samples) slot.emit(slot.input.back() + 1);
}

// The same, each time the gate lets it.
inline auto count_up_behind(yard::Gate& gate) {
  return [&gate](StepView& step) {
    gate.pass();
    count_up(step);
  };
}

// A scheduler with one device, "host", that does `step`.
inline Options one(std::function<void(StepView&)> step, HostOptions host = {}) {
  return {.devices = {host_device("host", std::move(step), std::move(host))}};
}

inline constexpr Token kPrompt[] = {1, 2, 3};

inline std::vector<Token> all(Reply& reply) {
  std::vector<Token> tokens;
  for (const Token token : reply) tokens.push_back(token);
  return tokens;
}

// `n` tokens, `first` and on.
inline std::vector<Token> from(Token first, std::size_t n) {
  std::vector<Token> tokens(n);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

inline Outcome end_of(Reply& reply) {
  all(reply);
  return reply.outcome().value();
}

}  // namespace switchyard
