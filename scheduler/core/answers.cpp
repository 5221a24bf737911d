// Requests of several answers: the others join the first, and stop with whoever does not end as done.
#include "scheduler/core/answers.h"

#include "scheduler/core/state.h"

namespace yard {

// Its prompt has been read: the request's other answers join the line of its device, where they find what it keeps of
// the prompt. Where that device takes nobody any more, they are bound elsewhere by the next poll.
void Core::State::fork(std::uint32_t first) {
  if (pool[first].group == 0) return;
  const std::uint32_t g = pool[first].group, to_come = groups[g].to_come;
  for (std::uint32_t k = 0; k < to_come; ++k) {
    const std::uint32_t i = pool.take();
    const Sequence& of = pool[first];
    Sequence& s = pool[i];
    s.request = of.request;
    s.arrival = of.arrival;
    s.regions = of.regions, s.providers = of.providers, s.primary = of.primary;
    s.model = of.model, s.slo = of.slo, s.tenant = of.tenant;
    s.answers = of.answers, s.answer = of.answers - to_come + k;
    s.prompt = s.to_read = of.prompt;
    s.max_output = of.max_output;
    s.prefix = of.prefix, s.prefix_blocks = of.prefix_blocks;
    s.session = of.session;
    s.adapter = of.adapter;
    s.admit = s.first_token = s.last_token = Time::never();
    s.number = ++submissions;
    s.let_in = true;
    s.device = DeviceId{};
    move_to(s, SequenceState::arrived);
    groups.join(pool, g, i);
    enters(i);
    const std::uint32_t d = of.device.value;
    if (devices[d].state == DeviceState::up)
      bind(i, of.device);
    else
      arrivals.push_back(pool, i);
  }
}

// Where one did not end as done, none of its request goes on.
void Core::State::stop_the_others() {
  for (std::uint32_t g; (g = groups.take_stopping()) != 0;)
    for (std::uint32_t i = groups[g].first; i != kNobody; i = pool[i].next_answer) ask_to_end(i);
}

}  // namespace yard
