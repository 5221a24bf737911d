#include "scheduler/explain.h"

#include <algorithm>
#include <charconv>
#include <memory>

#include <fmt/format.h>

#include "scheduler/base/check.h"
#include "scheduler/base/input_error.h"
#include "scheduler/loop/reenact.h"

namespace yard {

namespace kept_promises = policy::kept_promises;

AskedRequest AskedRequest::parse(std::string_view text) {
  AskedRequest asked;
  const auto number = [&](std::string_view digits) {
    std::uint32_t n = 0;
    const char* const begin = std::to_address(digits.begin());
    const char* const end = begin + digits.size();
    const auto [at, error] = std::from_chars(begin, end, n);
    if (error != std::errc() || at != end)
      throw InputError("", 0, "--request", "found '" + printable(text) + "'", "accepted: INDEX or INDEX:GENERATION");
    return n;
  };
  const std::size_t colon = text.find(':');
  asked.index = number(text.substr(0, colon));
  if (colon != std::string_view::npos) asked.generation = number(text.substr(colon + 1));
  return asked;
}

std::string AskedRequest::text() const {
  if (row) return fmt::format("row {}", *row);
  return generation ? fmt::format("request {}:{}", index, *generation) : fmt::format("request {}", index);
}

const Candidate* PlacementSeen::chosen() const {
  const auto found = std::ranges::find_if(candidates, &Candidate::chosen);
  return found == candidates.end() ? nullptr : &*found;
}

namespace {

// `core`: whose decision it is; its costs are those of the moment.
Candidate candidate(const RecordingHead& head, const Core& core, const Decision& decision, std::uint32_t d) {
  const DeviceColumns& columns = decision.devices;
  const PoolView& pool = head.fleet.pools[columns.pool[d]];
  const std::int64_t capacity = std::int64_t{pool.kv_blocks.count()} * pool.block_tokens.count();
  return {.device = d,
          .pool = columns.pool[d],
          .chosen = decision.at != kRefused && decision.eligible[decision.at] == d,
          .waiting = columns.waiting[d],
          .running = columns.running[d],
          .prefill_tokens = columns.prefill_tokens[d],
          .kv_tokens = columns.kv_tokens[d],
          .waiting_tokens = columns.waiting_tokens[d],
          .hit_tokens = columns.hit_tokens[d],
          .cached_tokens = columns.cached_tokens[d],
          .kv_permille = columns.kv_tokens[d] * 1000 / capacity,
          .prefill_share = columns.prefill_share[d],
          .prefill_burst = columns.prefill_burst[d],
          .marginal_price = columns.marginal_price[d],
          .pace = columns.pace_of(d),
          .move_time = decision.ask.read ? columns.move_time[d] : 0,
          .terms = kept_promises::terms_on(
              pool, core.cost_to_placement(pool.cost), head.fleet, columns, d,
              kept_promises::Request(head.fleet, decision.ask,
                                     kept_promises::price_of_reading(decision.eligible, columns, decision.ask)))};
}

// The best of each class, in order, and the chosen one. Of equals the first, as a scan would have it.
std::vector<Candidate> candidates_of(const RecordingHead& head, const Core& core, const Decision& decision) {
  std::vector<Candidate> all;
  const std::span<const std::uint32_t> eligible = decision.eligible;
  for (std::size_t k = 0; k < eligible.size();) {
    const std::uint32_t pool = decision.devices.pool[eligible[k]];
    Candidate best = candidate(head, core, decision, eligible[k]);
    std::optional<Candidate> chosen;
    std::uint32_t of = 0;
    for (; k < eligible.size() && decision.devices.pool[eligible[k]] == pool; ++k, ++of) {
      const Candidate c = candidate(head, core, decision, eligible[k]);
      if (c.total() < best.total()) best = c;
      if (c.chosen) chosen = c;
    }
    best.best = true;
    best.of = of;
    all.push_back(best);
    if (!chosen || best.chosen) continue;
    chosen->of = of;
    all.push_back(*chosen);
  }
  return all;
}

class Explainer final : public Onlooker {
 public:
  Explainer(const std::string& path, const AskedRequest& asked) : path_(path), asked_(asked), reenactor_(path_, this) {}

  Explanation explain() {
    if (const RecordingHead* head = reenactor_.recording().head()) result_.head = *head;
    while (const RecordedTick* tick = reenactor_.read()) {
      for (const Event& event : tick->events) look(event);
      for (const Command& command : reenactor_.run()) look(command, tick->now);
      if (!tick->hash) continue;
      result_.equal = result_.equal && *tick->hash == reenactor_.core()->hash();
      if (result_.finish) break;  // now it is known, too, that this is what was decided
    }
    if (!found_) not_found();
    if (result_.placements.empty()) never_placed();
    return std::move(result_);
  }

  void saw(const Decision& decision) noexcept override {
    if (!found_ || decision.request != result_.request.request || result_.finish) return;
    PlacementSeen seen{.at = decision.ask.now,
                       .waited = decision.ask.now - decision.ask.arrival,
                       .prompt = decision.ask.prompt,
                       .expected_output = decision.ask.expected_output,
                       .may_refuse = decision.ask.may_refuse,
                       .refused = decision.at == kRefused,
                       .goes_on = decision.ask.read,
                       .eligible = static_cast<std::uint32_t>(decision.eligible.size()),
                       .candidates = candidates_of(result_.head, *reenactor_.core(), decision),
                       .began = {}};
    for (std::size_t c = 1; c < seen.candidates.size(); ++c)
      if (seen.candidates[c].total() < seen.candidates[seen.least].total()) seen.least = c;
    std::vector<PlacementSeen>& all = result_.placements;
    if (const std::size_t n = all.size(); seen.refused && n > 1 && all[n - 1].refused && all[n - 2].refused) {
      seen.again = all.back().again + 1;
      all.pop_back();
    }
    all.push_back(std::move(seen));
  }

 private:
  void look(const Event& event) {
    const auto* submitted = std::get_if<Submitted>(&event);
    if (!submitted) return;
    const RequestId id = submitted->request;
    const bool same = asked_.row
                          ? *asked_.row == submitted_
                          : id.index == asked_.index && asked_.generation.value_or(id.generation) == id.generation;
    if (same && !found_) {
      found_ = true;
      result_.request = *submitted;
      result_.request.prefix = {};
      result_.row = submitted_;
    }
    ++submitted_;
  }

  void look(const Command& command, Time now) {
    if (!found_ || result_.finish) return;
    const RequestId id = result_.request.request;
    if (const auto* finish = std::get_if<Finish>(&command); finish && finish->request == id) result_.finish = *finish;
    if (const auto* send = std::get_if<Send>(&command); send && send->request == id) began(send->device, now);
    if (const auto* launch = std::get_if<Launch>(&command))
      if (std::ranges::find(launch->slots, id, &Slot::request) != launch->slots.end()) began(launch->device, now);
  }

  void began(DeviceId device, Time now) {
    if (!result_.placements.empty() && !result_.placements.back().began)
      result_.placements.back().began = {device, now};
  }

  [[noreturn]] void not_found() const {
    if (const auto cut = reenactor_.recording().cut_at())
      throw InputError(path_, 0, fmt::format("byte {}", *cut), fmt::format("is cut there, before {}", asked_.text()),
                       fmt::format("accepted: one of the {} submitted before", submitted_));
    throw InputError(
        path_, 0, asked_.row ? "--row" : "--request", fmt::format("has no {}", asked_.text()),
        submitted_ == 0 ? "the recording has no requests" : fmt::format("accepted: --row 0 to {}", submitted_ - 1));
  }

  [[noreturn]] void never_placed() const {
    const char* const remedy = "accepted: a request that was placed";
    if (!result_.finish) throw InputError(path_, 0, asked_.text(), "was not placed before the recording ends", remedy);
    const Finish& finish = *result_.finish;
    if (finish.outcome == Outcome::rejected && finish.why != Reason::shed)
      throw InputError(path_, 0, asked_.text(), fmt::format("was rejected at the door ({})", name_of(finish.why)),
                       remedy);
    const bool why = finish.why != Reason::none;
    throw InputError(path_, 0, asked_.text(),
                     fmt::format("was {}{}{} before it was placed", name_of(finish.outcome), why ? ": " : "",
                                 why ? name_of(finish.why) : ""),
                     remedy);
  }

  const std::string path_;
  const AskedRequest asked_;
  Reenactor reenactor_;
  Explanation result_;
  std::uint64_t submitted_ = 0;
  bool found_ = false;
};

}  // namespace

Explanation explain(const std::string& path, const AskedRequest& asked) { return Explainer(path, asked).explain(); }

}  // namespace yard
