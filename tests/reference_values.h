// What goes into the reference simulator and what comes out of it.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/base/block_hash.h"
#include "scheduler/base/id.h"
#include "scheduler/base/rng.h"
#include "scheduler/base/units.h"
#include "scheduler/core/command.h"
#include "scheduler/core/event.h"

namespace yard::reference {

struct Request {
  std::uint32_t row = 0;
  Time arrival;
  Tokens prompt, output;  // output: the true length of the answer
  Tokens max_output = Tokens::max();
  ModelId model{0};
  SloClassId slo{0};
  TenantId tenant{0};
  RegionMask regions{};
  ProviderMask providers{};  // of cases with terms (random_terms.h); the reference knows none
  ProviderId primary{};
  std::optional<Time> cancel_at{};
  std::uint32_t answers = 1;
  AdapterId adapter{};
  std::vector<BlockHash> prefix{};  // names of the prompt's leading whole blocks
};

// What Core is told of it; which id it gets is the loop's to say. The prefix stays the request's own.
inline Submitted facts_of(const Request& r) {
  return {.request = {},
          .model = r.model,
          .tenant = r.tenant,
          .slo = r.slo,
          .prompt = r.prompt,
          .max_output = r.max_output,
          .regions = r.regions,
          .providers = r.providers,
          .primary = r.primary,
          .arrival = r.arrival,
          .answers = r.answers,
          .adapter = r.adapter,
          .prefix = r.prefix};
}

struct Options {
  std::string order = "fcfs";          // fcfs, edf, shortest_first
  std::string scorer = "round_robin";  // round_robin, random, least_loaded, power_of_two, expected_seconds
  std::string bind = "arrival";        // arrival, room
  Seed seed = 0;
  std::uint32_t sequences = 1u << 20;  // Bounds::sequences
  std::uint32_t steps_per_run = 256;   // Bounds::steps_per_run
  std::uint32_t moves_per_link = 4;    // Bounds::moves_per_link
  std::uint32_t answers = 64;          // Bounds::answers
};

// Finish and its Account, by the trace's row.
struct Ending {
  std::uint32_t row = 0;
  Outcome outcome = Outcome::done;
  Reason why = Reason::none;
  Time arrival, admit = Time::never(), first_token = Time::never(), last_token = Time::never(), finish;
  Tokens prompt, output, cached;
  std::uint32_t preemptions = 0;
  DeviceId device;
  SloClassId slo;
  ModelId model;
  TenantId tenant;
  std::uint32_t answers = 1;
  Tokens longest;  // of the answers
  bool operator==(const Ending&) const = default;
};

inline Ending ending_of(std::uint32_t row, const Finish& f) {
  const Account& a = f.account;
  return Ending{row,          f.outcome, f.why,    a.arrival, a.admit,   a.first_token,
                a.last_token, a.finish,  a.prompt, a.output,  a.cached,  a.preemptions,
                a.device,     a.slo,     a.model,  a.tenant,  a.answers, a.longest};
}

inline std::string text_of(const Ending& e) {
  constexpr std::array<std::string_view, 4> outcomes = {"done", "cancelled", "rejected", "failed"};
  constexpr std::array<std::string_view, kReasons> reasons = {
      "none",        "queue_full",    "no_such_model",    "no_region",      "empty_prompt",
      "too_long",    "shed",          "device_lost",      "device_failed",  "retries_spent",
      "bad_request", "broken_stream", "overloaded",       "no_provider",    "no_licence",
      "quota",       "only_embeds",   "too_many_answers", "no_such_adapter"};
  const auto time = [](Time t) { return t == Time::never() ? std::string("-") : std::to_string(t.ns()); };
  std::string text = "row " + std::to_string(e.row) + ' ';
  text += outcomes[static_cast<std::size_t>(e.outcome)];
  text += ' ';
  text += reasons[static_cast<std::size_t>(e.why)];
  text += " arrival " + time(e.arrival) + " admit " + time(e.admit) + " first " + time(e.first_token);
  text += " last " + time(e.last_token) + " finish " + time(e.finish);
  text += " prompt " + std::to_string(e.prompt.count()) + " output " + std::to_string(e.output.count());
  text += " cached " + std::to_string(e.cached.count());
  text += " preemptions " + std::to_string(e.preemptions);
  text += " device " + (e.device.some() ? std::to_string(e.device.value) : std::string("-"));
  text += " class " + std::to_string(e.slo.value) + " model " + std::to_string(e.model.value);
  text += " tenant " + std::to_string(e.tenant.value);
  return text + " answers " + std::to_string(e.answers) + " longest " + std::to_string(e.longest.count());
}

// What a case had in it, counted for the tests' coverage; no decision reads it.
enum class Happening : std::uint8_t {
  preemption,
  readmitted,
  chunked_prefill,
  line_stopped_by_kv,
  run_limited_by_kv,
  waits_for_room,
  cut_by_interrupt,
  interrupt_changed_nothing,
  interrupt_at_boundary,
  arrival_at_run_end,
  no_answer,
  cut_at_limit,
  shed_in_line,
  shed_unbound,
  gave_way,
  queue_full,
  empty_prompt,
  no_such_model,
  only_embeds,
  no_region,
  too_long,
  cancelled_at_door,
  cancelled_unbound,
  cancelled_in_line,
  cancelled_between_runs,
  cancelled_in_run,
  cancel_lost_to_end,
  cancel_late,
  prefix_hit,
  expected_hit_missing,
  kept_block_went,
  read_twice,
  moved,
  moved_in_part,
  waits_to_move,
  waits_for_a_link,
  cancelled_read,
  cancelled_moving,
  joins_a_run,
  stayed,
  too_many_answers,
  forked,
  answers_share_a_prompt,
  no_such_adapter,
  adapter_loaded,
  adapter_found,
  adapter_evicted,
  passed_over_for_adapter,
};
inline constexpr std::array<std::string_view, 48> kHappeningNames = {
    "preemption",
    "readmitted after one",
    "prefill chunk that ends no prompt",
    "line stopped for want of KV",
    "decode run limited by KV",
    "waits for room",
    "run cut short by an interrupt",
    "interrupt that changed nothing",
    "interrupt exactly on a boundary",
    "arrival exactly at a run's end",
    "answer of no token",
    "answer cut at its limit",
    "shed in a line",
    "shed unbound",
    "shed to make room",
    "rejected: queue_full",
    "rejected: empty_prompt",
    "rejected: no_such_model",
    "rejected: only_embeds",
    "rejected: no_region",
    "rejected: too_long",
    "cancelled at the door",
    "cancelled unbound",
    "cancelled in a line",
    "cancelled between two runs",
    "cancelled in a run",
    "cancel asked, done first",
    "cancel too late",
    "prompt found in part",
    "expected hit that was not found",
    "kept block that went",
    "block read that was kept already",
    "KV moved",
    "KV moved but for a part that was there",
    "read, and no room to go on",
    "read, and no place on a link",
    "cancelled when read",
    "cancelled while its KV moved",
    "KV arrived while a run went on",
    "short prompt that stayed where it is decoded",
    "rejected: too_many_answers",
    "prompt read, other answers join",
    "another answer finds the prompt",
    "rejected: no_such_adapter",
    "adapter loaded",
    "adapter found",
    "adapter loaded in another's place",
    "passed over for want of a slot",
};
using Happenings = std::array<std::uint64_t, kHappeningNames.size()>;

}  // namespace yard::reference
