// What was learnt of steps, as text: a head, a line for each row that runs were heard of, and what OnlineCosts says of
// these, line by line as it writes them.
#include <algorithm>
#include <locale>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"
#include "scheduler/loop/cost_learner.h"

namespace yard {
namespace {

constexpr std::string_view kHead = "switchyard learnt costs 2\n";

// Calls act(line, its number) for each line, without what ends it.
template <class Act>
void for_lines(std::string_view text, int number, const Act& act) {
  for (std::size_t from = 0; from < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', from), text.size());
    act(text.substr(from, end - from), number);
    from = end + 1;
  }
}

}  // namespace

std::string CostLearner::save() const {
  std::string out(kHead);
  std::vector<std::uint32_t> rows;
  for (std::uint32_t row = 0; row < costs_.size(); ++row) {
    const bool found = said_.rows[row].error_permille() >= StepCost::kUnknown && magnitudes_[row].known();
    if (!magnitudes_[row].in_use || (costs_.count(row).learnt == 0 && !found)) continue;
    rows.push_back(row);
    out += fmt::format("times {} {}\n", magnitudes_[row].times, text_of(costs_.key(row)));
  }
  return out + costs_.save(rows);
}

std::uint32_t CostLearner::restore(std::string_view text, const std::string& name) {
  std::uint32_t taken = 0;
  for (int line = 1; !text.empty();) {
    if (!text.starts_with(kHead))
      throw InputError(name, line, "", "found '" + printable(text.substr(0, text.find('\n'))) + "'",
                       "accepted: what was learnt and saved by this version");
    const std::string_view part = text.substr(0, text.find(kHead, kHead.size()));
    taken += take(part, name, line);
    line += static_cast<int>(std::ranges::count(part, '\n'));
    text.remove_prefix(part.size());
  }
  return taken;
}

// One that save() wrote, from its head on.
std::uint32_t CostLearner::take(std::string_view part, const std::string& name, int first) {
  std::uint32_t taken = 0;
  std::string of_steps;  // for OnlineCosts, whose lines begin behind ours
  int ours = 1;
  for_lines(part.substr(kHead.size()), first + 1, [&](std::string_view line, int number) {
    std::istringstream in{std::string(line)};
    in.imbue(std::locale::classic());
    std::string word;
    in >> word;
    if (word != "times" || !of_steps.empty()) {
      of_steps += fmt::format("{}\n", line);
      return;
    }
    ++ours;
    std::uint32_t times = 0;
    CostKey key;
    in >> times >> key;
    if (!in || times < kLeastCostScale || times > kMostCostScale || !(in >> std::ws).eof())
      throw InputError(name, number, "", "found '" + printable(line) + "'", "accepted: 'times', a scale and a key");
    for (std::uint32_t row = 0; row < costs_.size(); ++row) {
      Magnitude& magnitude = magnitudes_[row];
      if (costs_.key(row) != key || !magnitude.in_use) continue;
      magnitude.times = times, magnitude.runs = Magnitude::kRuns;
      magnitude.fresh = magnitude.restored = heard_ = true;
      ++taken;
    }
  });
  try {
    costs_.restore(of_steps, name);
  } catch (const InputError& e) {
    throw InputError(e.file, e.line + first - 1 + ours, e.key, e.found, e.accepted);
  }
  return taken;
}

}  // namespace yard
