// Two Schedulers in one process, each with a prompt that its device reads in two chunks: neither sees the other's
// tokens, and only the last chunk's step samples.
#include <switchyard/scheduler.h>
#include <switchyard/step.h>

#include <cstdio>
#include <optional>
#include <vector>

namespace {

// Answers with the last token read, plus `add`.
switchyard::Device adder(switchyard::Token add) {
  return switchyard::host_device("adder", [add](switchyard::StepView& step) {
    for (auto& slot : step)
      if (slot.samples) slot.emit(slot.input.back() + add);
  });
}

// Returns: whether the answer is `first`, `first + add`, ... and ends done.
bool answers(switchyard::Reply reply, switchyard::Token first, switchyard::Token add, int tokens) {
  switchyard::Token expected = first;
  int read = 0;
  for (const switchyard::Token token : reply) {
    if (token != expected) return false;
    expected += add;
    ++read;
  }
  const auto outcome = reply.outcome();
  return read == tokens && outcome && outcome->end == switchyard::End::done;
}

}  // namespace

int main() {
  switchyard::Scheduler ones({.devices = {adder(1)}});
  switchyard::Scheduler tens({.devices = {adder(10)}});
  std::vector<switchyard::Token> prompt(3000, 7);  // above the default token budget of a step
  prompt.back() = 100;
  auto from_ones = ones.submit({.prompt = prompt, .max_tokens = 4});
  auto from_tens = tens.submit({.prompt = prompt, .max_tokens = 4});
  const bool both = answers(std::move(from_ones), 101, 1, 4) && answers(std::move(from_tens), 110, 10, 4);
  std::printf("%s\n", both ? "both" : "mixed up");
  return both ? 0 : 1;
}
