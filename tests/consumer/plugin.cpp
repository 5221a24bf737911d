// A plug-in with a scheduler inside, as a server loads one and unloads it again.
#include <switchyard/scheduler.h>
#include <switchyard/step.h>

// Returns: how many tokens a scheduler of its own answered; 5 unless something is wrong.
extern "C" int answer() {
  switchyard::Scheduler scheduler({.devices = {switchyard::host_device("echo",
                                                                       [](switchyard::StepView& step) {
                                                                         for (auto& slot : step)
                                                                           if (slot.samples)
                                                                             slot.emit(slot.input.back() + 1);
                                                                       }),
                                               switchyard::pulled_device("pulled", {.model = "pulled"}),
                                               switchyard::endpoint("remote", {.model = "remote"})}});
  const switchyard::Lane lane = scheduler.lane("pulled");
  const switchyard::Ticket ticket = scheduler.place({.prompt = std::string_view("who is there?"), .model = "remote"},
                                                    [](const switchyard::Placement&) {});
  const switchyard::Token prompt[] = {1, 2, 3};
  int tokens = 0;
  for ([[maybe_unused]] const switchyard::Token token :
       scheduler.submit({.prompt = prompt, .max_tokens = 5, .model = "default"}))
    ++tokens;
  return scheduler.metrics().empty() ? -1 : tokens;
}
