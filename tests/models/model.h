// How a model is run and what it prints: a line per suite, `NAME: green|red, N executions (search)`, and on red the
// interleaving. Exit status 1 on red.
#pragma once
#include <cstdint>
#include <iostream>
#include <ostream>
#include <source_location>
#include <string_view>

#include "tests/models/relacy_atomics.h"

namespace yard::models {

inline void expect(bool holds, const char* law, const std::source_location& at = std::source_location::current()) {
  if (!holds) rl::ctx().fail_test(law, rl::test_result_user_assert_failed, rl_info(at));
}

// How far to search. `bound`: 0, every interleaving; else those with at most so many switches away from a thread that
// could have gone on. `times`: not 0, so many random ones instead, where old values further back are seen too.
struct Search {
  unsigned bound = 0;
  std::uint64_t times = 0;
};

template <class Suite>
bool green(std::string_view name, Search search = {}) {
  std::ostream nowhere(nullptr);
  rl::test_params params;
  params.progress_stream = &nowhere;
  params.output_stream = &nowhere;
  params.search_type = search.times   ? rl::random_scheduler_type
                       : search.bound ? rl::fair_context_bound_scheduler_type
                                      : rl::fair_full_search_scheduler_type;
  params.context_bound = search.bound;
  params.iteration_count = search.times;
  params.execution_depth_limit = 4000;
  rl::ostringstream history;
  params.output_stream = &history;
  const bool holds = rl::simulate<Suite>(params);
  std::cout << name << ": " << (holds ? "green" : "red") << ", " << params.stop_iteration << " executions (";
  if (search.times) {
    std::cout << "random";
  } else if (search.bound) {
    std::cout << "all with at most " << search.bound << " preemptions";
  } else {
    std::cout << "all";
  }
  std::cout << ")\n" << std::flush;
  if (!holds) std::cout << history.str() << "\n" << std::flush;
  return holds;
}

}  // namespace yard::models
