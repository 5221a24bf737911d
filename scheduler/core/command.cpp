#include "scheduler/core/command.h"

namespace yard {
namespace {

std::uint64_t word(std::uint32_t high, std::uint32_t low) { return std::uint64_t{high} << 32 | low; }
std::uint64_t word(Tokens high, Tokens low) {
  return word(static_cast<std::uint32_t>(high.count()), static_cast<std::uint32_t>(low.count()));
}
std::uint64_t word(Time t) { return static_cast<std::uint64_t>(t.ns()); }
std::uint64_t word(Duration d) { return static_cast<std::uint64_t>(d.count()); }

// Kinds, so that no two commands of different kinds give the same words.
constexpr std::uint64_t kLaunch = 1, kInterrupt = 2, kFinish = 3, kSend = 4, kAbort = 5, kMove = 6, kShelve = 7,
                        kUnshelve = 8, kLook = 9, kTake = 10, kPassOn = 11;
// Of accounts that have it only, so that others hash as before there was any.
constexpr std::uint64_t kNoOutput = 1, kMoves = std::uint64_t{2} << 32, kAnswers = 2, kAdapter = 3, kLoads = 4;

void add_fields(DecisionHash& hash, const Launch& c) {
  hash.add(kLaunch << 56 | static_cast<std::uint64_t>(c.bound_by) << 48 | c.slots.size(), c.run.bits());
  hash.add(word(c.device.value, c.step_limit));
  for (const Slot& slot : c.slots) {
    hash.add(slot.sequence.bits(), slot.request.bits());
    hash.add(word(slot.context, slot.prefill), word(slot.generated, Tokens(slot.granted.count())));
    hash.add(word(slot.output_limit, Tokens(static_cast<std::int32_t>(slot.answer << 1 | unsigned{slot.samples}))));
    if (slot.adapter.some()) hash.add(kAdapter << 56 | slot.adapter.value);
  }
  if (c.loads > 0 || c.found > 0 || c.load > Duration())
    hash.add(kLoads << 56), hash.add(word(c.loads, c.found), word(c.load));
}

void add_fields(DecisionHash& hash, const Interrupt& c) { hash.add(kInterrupt << 56 | c.device.value, c.run.bits()); }

void add_fields(DecisionHash& hash, const Finish& c) {
  const Account& a = c.account;
  hash.add(kFinish << 56 | static_cast<std::uint64_t>(c.outcome) << 48 | static_cast<std::uint64_t>(c.why) << 40,
           c.request.bits());
  hash.add(word(c.retry_after), word(a.arrival));
  hash.add(word(a.admit), word(a.first_token));
  hash.add(word(a.last_token), word(a.finish));
  hash.add(word(a.prompt, a.output), word(a.preemptions, a.device.value));
  hash.add(word(a.slo.value, a.model.value), word(a.tenant.value, static_cast<std::uint32_t>(a.cached.count())));
  if (a.no_output) hash.add(kNoOutput);
  if (a.moves > 0) hash.add(kMoves | a.moves);
  if (a.answers > 1) hash.add(kAnswers << 56 | a.answers, static_cast<std::uint64_t>(a.longest.count()));
}

void add_fields(DecisionHash& hash, const Send& c) {
  hash.add(kSend << 56 | c.device.value, c.sequence.bits());
  hash.add(c.request.bits(), c.attempt);
  hash.add(word(c.prompt, c.output_limit));
  if (c.adapter.some()) hash.add(kAdapter << 56 | c.adapter.value);
}

void add_fields(DecisionHash& hash, const Abort& c) {
  hash.add(kAbort << 56 | c.device.value, c.sequence.bits());
  hash.add(c.request.bits(), c.attempt);
}

void add_fields(DecisionHash& hash, const Move& c) {
  hash.add(kMove << 56 | c.link.value, c.sequence.bits());
  hash.add(c.request.bits(), c.attempt);
  hash.add(word(c.from.value, c.to.value), static_cast<std::uint64_t>(c.bytes));
}

void add_fields(DecisionHash& hash, const Shelve& c) {
  hash.add(kShelve << 56 | static_cast<std::uint32_t>(c.tokens.count()), c.sequence.bits());
  hash.add(c.request.bits());
  hash.add(word(c.order), word(c.there));
  hash.add(static_cast<std::uint64_t>(c.at_stake));
}

void add_fields(DecisionHash& hash, const Unshelve& c) {
  hash.add(kUnshelve << 56, c.sequence.bits());
  hash.add(c.request.bits());
}

void add_fields(DecisionHash& hash, const Look& c) { hash.add(kLook << 56 | c.victim.value); }

void add_fields(DecisionHash& hash, const Take& c) { hash.add(kTake << 56 | c.victim.value, c.offers); }

void add_fields(DecisionHash& hash, const PassOn& c) { hash.add(kPassOn << 56 | c.thief.value, c.request.bits()); }

}  // namespace

void add(DecisionHash& hash, const Command& command, Time now) {
  hash.add(word(now));
  std::visit([&](const auto& c) { add_fields(hash, c); }, command);
}

std::string_view name_of(Outcome o) {
  switch (o) {
    case Outcome::done: return "done";
    case Outcome::cancelled: return "cancelled";
    case Outcome::rejected: return "rejected";
    case Outcome::failed: return "failed";
  }
  return "";
}

std::string_view name_of(Reason r) {
  switch (r) {
    case Reason::none: return "";
    case Reason::queue_full: return "queue_full";
    case Reason::no_such_model: return "no_such_model";
    case Reason::no_region: return "no_region";
    case Reason::empty_prompt: return "empty_prompt";
    case Reason::too_long: return "too_long";
    case Reason::shed: return "shed";
    case Reason::device_lost: return "device_lost";
    case Reason::device_failed: return "device_failed";
    case Reason::retries_spent: return "retries_spent";
    case Reason::bad_request: return "bad_request";
    case Reason::broken_stream: return "broken_stream";
    case Reason::overloaded: return "overloaded";
    case Reason::no_provider: return "no_provider";
    case Reason::no_licence: return "no_licence";
    case Reason::quota: return "quota";
    case Reason::only_embeds: return "only_embeds";
    case Reason::too_many_answers: return "too_many_answers";
    case Reason::no_such_adapter: return "no_such_adapter";
  }
  return "";
}

std::string_view name_of(BoundBy b) {
  switch (b) {
    case BoundBy::work: return "work";
    case BoundBy::sequences: return "sequences";
    case BoundBy::kv: return "kv";
    case BoundBy::tokens: return "tokens";
  }
  return "";
}

}  // namespace yard
