// Compiled with -fno-exceptions: what is wrong with the options comes back from open() as a value.
#include <switchyard/scheduler.h>
#include <switchyard/step.h>

#include <cstdio>
#include <utility>
#include <variant>

int main() {
  auto wrong = switchyard::Scheduler::open({.devices = {}, .policy = "no_such_policy"});
  const auto* error = std::get_if<switchyard::ConfigError>(&wrong);
  if (error == nullptr) return std::printf("a wrong policy was accepted\n"), 1;
  std::printf("%s: found %s\n", error->key.c_str(), error->found.c_str());

  auto opened =
      switchyard::Scheduler::open({.devices = {switchyard::host_device("echo", [](switchyard::StepView& step) {
                                     for (auto& slot : step)
                                       if (slot.samples) slot.emit(slot.input.back() + 1);
                                   })}});
  auto* scheduler = std::get_if<switchyard::Scheduler>(&opened);
  if (scheduler == nullptr) return std::printf("right options were refused\n"), 1;
  const switchyard::Token prompt[] = {1, 2, 3};
  for (const switchyard::Token token : scheduler->submit({.prompt = prompt, .max_tokens = 2}))
    std::printf("%d ", token);
  std::printf("\n");
  return 0;
}
