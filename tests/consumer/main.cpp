#include <switchyard/scheduler.h>
#include <switchyard/step.h>

#include <cstdio>

int main() {
  switchyard::Scheduler scheduler({.devices = {switchyard::host_device("echo", [](switchyard::StepView& step) {
                                     for (auto& slot : step)  // one forward pass
                                       if (slot.samples) slot.emit(slot.input.back() + 1);
                                   })}});
  const switchyard::Token prompt[] = {1, 2, 3};
  for (switchyard::Token token : scheduler.submit({.prompt = prompt, .max_tokens = 5})) std::printf("%d ", token);
  std::printf("\n");  // 4 5 6 7 8
}
