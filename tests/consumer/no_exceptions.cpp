// Compiled with -fno-exceptions: what is wrong with the options comes back from open() as a value.
#include <switchyard/scheduler.h>
#include <switchyard/step.h>

#include <cstdio>
#include <utility>
#include <variant>

namespace {

switchyard::Device echo() {
  return switchyard::host_device("echo", [](switchyard::StepView& step) {
    for (auto& slot : step)
      if (slot.samples) slot.emit(slot.input.back() + 1);
  });
}

// Returns: whether open() refuses these options, having said why.
bool refused(switchyard::Options options) {
  const auto opened = switchyard::Scheduler::open(std::move(options));
  const auto* error = std::get_if<switchyard::ConfigError>(&opened);
  if (error != nullptr) std::printf("%s\n", error->what());
  return error != nullptr;
}

}  // namespace

int main() {
  if (!refused({.devices = {}})) return 1;
  if (!refused({.devices = {echo()}, .policy = "no_such_policy"})) return 1;

  auto opened = switchyard::Scheduler::open({.devices = {echo()}});
  auto* scheduler = std::get_if<switchyard::Scheduler>(&opened);
  if (scheduler == nullptr) return 1;
  const switchyard::Token prompt[] = {1, 2, 3};
  auto reply = scheduler->submit({.prompt = prompt, .max_tokens = 2});
  for (const switchyard::Token token : reply) std::printf("%d ", token);
  std::printf("\n");
}
