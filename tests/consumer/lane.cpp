// A server with a loop of its own, as a CUDA server has one: it owns thread, context and stream, Switchyard says which
// slots. The forward pass is played here.
#include <switchyard/scheduler.h>
#include <switchyard/step.h>

#include <chrono>
#include <cstdio>
#include <optional>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

void forward(switchyard::StepView step) {
  for (auto& slot : step)
    if (slot.samples) slot.emit(slot.input.back() + 1);
}

// README begins
void gpu_loop(switchyard::Lane lane) {  // on a thread of ours, with our stream
  while (!lane.closing())
    if (switchyard::PulledRun* run = lane.wait(100ms)) {
      while (run->more()) forward(run->next());
      lane.ended(run);
    }
}
// README ends

bool expect(bool holds, const char* what) {
  if (!holds) std::printf("not so: %s\n", what);
  return holds;
}

}  // namespace

int main() {
  std::optional<switchyard::Scheduler> scheduler(
      std::in_place,
      switchyard::Options{.devices = {switchyard::pulled_device("gpu0", {.slots = 4, .token_budget = 64})}});
  std::thread loop(gpu_loop, scheduler->lane("gpu0"));

  std::vector<switchyard::Reply> replies;
  for (switchyard::Token i = 0; i < 12; ++i) {
    const std::vector<switchyard::Token> prompt(100, i * 1000);  // read in two chunks
    replies.push_back(scheduler->submit({.prompt = prompt, .max_tokens = 20}));
  }
  const switchyard::Token endless[] = {7};
  auto gone = scheduler->submit({.prompt = endless, .max_tokens = 1u << 30});
  gone.cancel();

  bool good = true;
  for (switchyard::Token i = 0; i < 12; ++i) {
    switchyard::Token expected = i * 1000;
    for (const switchyard::Token token : replies[static_cast<std::size_t>(i)]) good &= token == ++expected;
    good &= expect(expected == i * 1000 + 20, "each answer is whole and its own");
  }
  good &= expect(scheduler->drain(1min), "all of it ends");
  const switchyard::Counts counts = scheduler->counts();
  good &=
      expect(counts.submitted == 13 && counts.done == 12 && counts.cancelled == 1, "thirteen came, twelve are done");
  scheduler.reset();  // the lane is closing: its loop ends
  loop.join();
  if (good) std::printf("pulled\n");
  return good ? 0 : 1;
}
