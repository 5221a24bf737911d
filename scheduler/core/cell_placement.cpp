#include "scheduler/core/cell_placement.h"

#include <algorithm>

#include "scheduler/base/check.h"
#include "scheduler/core/sequence.h"

namespace yard {
namespace {

constexpr std::uint64_t kRoundingStream = 0x63656c6c2d726f77ull;

std::size_t rows_in(std::span<const CellView> cells) {
  std::size_t rows = 0;
  for (const CellView& cell : cells)
    rows += static_cast<std::size_t>(
        std::ranges::count_if(cell.view.pools, [](const PoolView& pool) { return pool.devices > 0; }));
  return rows;
}

}  // namespace

CellPlacement::CellPlacement(std::span<const CellView> cells, const CostTables& tables, const PolicySet& policies,
                             Seed seed)
    : cells_(static_cast<std::uint32_t>(cells.size())),
      costs_as_said_(tables),
      policies_(policies),
      of_(cells[0].view.models.size()),
      expected_(cells[0].view.models.size() * cells[0].view.classes.size(), 256),
      prompts_(cells[0].view.models.size()),
      answers_(cells[0].view.models.size() * cells[0].view.classes.size(), kUnknownAnswers),
      round_robin_(cells[0].view.models.size()),
      chosen_(rows_in(cells)),
      state_{Rng(seed), round_robin_, chosen_},
      prefixes_({.devices = static_cast<std::uint32_t>(chosen_.size())}),
      rounding_(Rng::stream(seed, kRoundingStream)) {
  view_ = cells[0].view;
  view_.pools.clear();
  for (std::uint32_t c = 0; c < cells_; ++c)
    for (std::uint32_t p = 0; p < cells[c].view.pools.size(); ++p) {
      const PoolView& pool = cells[c].view.pools[p];
      if (pool.devices == 0) continue;
      const auto row = static_cast<std::uint32_t>(rows_.size());
      rows_.push_back({c, p, pool.devices, pool.cost});
      of_[pool.model.value].push_back(row);
      view_.pools.push_back(pool);
      view_.pools.back().first_device = row;
      view_.pools.back().devices = 1;
      tables_.rows.push_back(tables[pool.cost]);
      tables_.rows.back().correct(
          tables[pool.cost], at_quantile({.error_permille = tables[pool.cost].error_permille()}, policies.quantile));
      view_.pools.back().cost = CostRow{row};
      PoolSummary& load = loads_.emplace_back();
      load.up = pool.devices, load.costs.error_permille = tables[pool.cost].error_permille();
      pool_.push_back(row);
      const std::int64_t keeps = std::int64_t{pool.kv_blocks.count()} * pool.block_tokens.count() * pool.devices /
                                 view_.models[pool.model.value].prefix_block.count();
      prefixes_.set_capacity(
          {row}, pool.prefix_cache ? static_cast<std::uint32_t>(std::min<std::int64_t>(keeps, 1u << 30)) : 0);
    }
  const std::size_t n = rows_.size(), classes = view_.classes.size();
  by_class_.resize(n * classes), sent_.resize(n * classes), sent_tokens_.resize(n), sent_hits_.resize(n);
  waiting_.resize(n), running_.resize(n), classes_.resize(n * classes), share_.resize(n);
  prefill_.resize(n), kv_.resize(n), waiting_tokens_.resize(n), burst_.resize(n);
  hits_.resize(n), cached_.resize(n), price_.resize(n), adapter_load_.resize(n);
  eligible_.reserve(n);
}

void CellPlacement::hear(std::span<const ShardSummary> summaries, bool sent_since) noexcept {
  CHECK(summaries.size() == cells_);
  const std::size_t classes = view_.classes.size();
  for (std::uint32_t r = 0; r < rows_.size(); ++r) {
    const auto [cell, p, devices, said] = rows_[r];
    const ShardSummary& summary = summaries[cell];
    if (const CorrectedBy& by = summary.pools[p].costs; by != loads_[r].costs)
      tables_.rows[r].correct(costs_as_said_[said], at_quantile(by, policies_.quantile));
    PoolSummary& load = loads_[r] = summary.pools[p];
    // Those bound to nothing are shared out over the model's rows of the cell, by replicas.
    const std::uint32_t m = view_.pools[r].model.value;
    std::int64_t together = 0;
    for (const std::uint32_t other : of_[m]) together += rows_[other].cell == cell ? rows_[other].devices : 0;
    const std::int64_t unbound = std::max<std::int64_t>(0, summary.unbound[m]) * devices / together;
    load.waiting += unbound;
    load.prefill_tokens += unbound * prompts_[m] / 256;
    load.waiting_tokens += unbound * prompts_[m] / 256;
    std::int64_t since = 0;
    for (std::size_t c = 0; c < classes; ++c) {
      std::int64_t& sent = sent_[r * classes + c];
      by_class_[r * classes + c] = summary.by_class[p * classes + c] + (sent_since ? sent : 0);
      since += sent;
      sent = 0;
    }
    if (sent_since) {
      load.waiting += since;
      load.prefill_tokens += sent_tokens_[r] - sent_hits_[r];
      load.waiting_tokens += sent_tokens_[r];
    }
    sent_tokens_[r] = sent_hits_[r] = 0;
  }
  // Expected answers: the mean over the cells.
  std::fill(expected_.begin(), expected_.end(), 0);
  for (const ShardSummary& summary : summaries)
    for (std::size_t i = 0; i < expected_.size(); ++i) expected_[i] += summary.expected_output[i];
  for (std::int64_t& expected : expected_) expected = std::max<std::int64_t>(1, expected / cells_);
  for (std::size_t i = 0; i < answers_.size(); ++i) {
    for (std::size_t q = 0; q < answers_[i].tokens.size(); ++q) {
      std::int64_t sum = 0;
      for (const ShardSummary& summary : summaries) sum += summary.answers[i].tokens[q];
      answers_[i].tokens[q] = static_cast<std::int32_t>(sum / cells_);
    }
    answers_[i].weigh();
  }
}

std::uint32_t CellPlacement::place(const Submitted& s) noexcept {
  if (cells_ == 1) return 0;
  std::uint32_t nearest = 0;
  const std::uint32_t row = s.model.value < of_.size() ? pick(s, nearest) : kNobody;
  if (row != kNobody) send(row, s);
  const std::uint32_t cell = row != kNobody ? rows_[row].cell : nearest;
  decisions_.add(cell);
  return cell;
}

// How far the request gets at the door of the row's cell, for want of: region, provider, licence, context; 4: it
// passes.
int CellPlacement::passes(std::uint32_t row, const Submitted& s) const noexcept {
  const PoolView& pool = view_.pools[row];
  if (s.adapter.some() && pool.adapter_slots == 0) return 0;
  if (!s.regions.has(pool.region)) return 0;
  if (!s.providers.has(pool.provider_id)) return 1;
  if (!pool.licensed) return 2;
  return may_come_to(s.prompt.count(), 0, s.max_output.count()) > pool.max_context.count() ? 3 : 4;
}

// Returns: a row, or kNobody; then `nearest` is a cell that refuses for the same want as the whole fleet would.
std::uint32_t CellPlacement::pick(const Submitted& s, std::uint32_t& nearest) noexcept {
  eligible_.clear();
  int furthest = -1;
  bool at_primary = false;
  for (const std::uint32_t row : of_[s.model.value]) {
    const int far = passes(row, s);
    if (far > furthest) furthest = far, nearest = rows_[row].cell;
    if (far < 4 || loads_[row].up == 0) continue;
    eligible_.push_back(row);
    at_primary |= view_.pools[row].provider_id == s.primary;
  }
  if (eligible_.empty()) return kNobody;
  if (s.primary.some() && at_primary)  // what it can serve waits there rather than going elsewhere
    std::erase_if(eligible_, [&](std::uint32_t row) { return view_.pools[row].provider_id != s.primary; });
  // One token at least is read anew, for its logits.
  const std::int32_t block = view_.models[s.model.value].prefix_block.count();
  const auto whole = static_cast<std::size_t>((std::max(s.prompt.count(), 1) - 1) / block);
  const auto reusable = s.prefix.first(std::min(s.prefix.size(), whole));
  for (const std::uint32_t row : eligible_) {
    show(row);
    hits_[row] = reusable.empty() ? 0 : static_cast<std::int32_t>(prefixes_.blocks_held({row}, reusable)) * block;
  }
  const std::int64_t expected = expected_[s.model.value * view_.classes.size() + s.slo.value];
  const Ask ask{.model = s.model,
                .slo = s.slo,
                .tenant = s.tenant,
                .prefix_head = s.prefix.empty() ? 0 : s.prefix.front().bits,
                .session = s.session,
                .prompt = s.prompt,
                .expected_output = std::min(Tokens(expected), s.max_output),
                .now = s.arrival,
                .arrival = s.arrival,
                .answers = std::span(answers_).subspan(s.model.value * view_.classes.size(), view_.classes.size()),
                .may_refuse = false};
  const DeviceColumns columns{pool_,        waiting_, running_, prefill_, kv_, waiting_tokens_, classes_, share_,
                              burst_,       hits_,    cached_,  price_,   {},  // no cell reads for another
                              adapter_load_};
  const std::uint32_t at = policies_.scorer(eligible_, columns, view_, tables_, ask, state_);
  CHECK(at < eligible_.size());
  return eligible_[at];
}

// The device that a request would meet there.
void CellPlacement::show(std::uint32_t row) noexcept {
  const PoolSummary& load = loads_[row];
  const std::int64_t n = load.up;
  const auto drawn = static_cast<std::int64_t>(rounding_.below(static_cast<std::uint64_t>(n)));
  const auto count = [&](std::int64_t sum) { return static_cast<std::uint32_t>((sum + drawn) / n); };
  running_[row] = count(load.running);
  waiting_[row] = count(load.waiting + load.running) - running_[row];
  prefill_[row] = load.prefill_tokens / n;
  kv_[row] = load.kv_tokens / n;
  waiting_tokens_[row] = load.waiting_tokens / n;
  share_[row] = static_cast<std::uint32_t>(load.prefill_share / n);
  burst_[row] = load.prefill_burst / n;
  price_[row] = load.marginal_price / n;
  const std::size_t classes = view_.classes.size();
  for (std::size_t c = row * classes; c < (row + 1) * classes; ++c) classes_[c] = count(by_class_[c]);
}

void CellPlacement::send(std::uint32_t row, const Submitted& s) noexcept {
  const std::int64_t prompt = std::max(0, s.prompt.count());
  loads_[row].waiting += 1;
  loads_[row].prefill_tokens += prompt - hits_[row];
  loads_[row].waiting_tokens += prompt;
  sent_tokens_[row] += prompt;
  sent_hits_[row] += hits_[row];
  if (!s.prefix.empty()) {
    prefixes_.insert({row}, s.prefix, s.arrival, PrefixIndex::Source::placement);
    const std::int64_t held = prefixes_.held({row});
    cached_[row] = held * view_.models[s.model.value].prefix_block.count() / rows_[row].devices;
  }
  const std::size_t of_class = row * view_.classes.size() + s.slo.value;
  if (s.max_output.count() > 0) ++by_class_[of_class];
  ++sent_[of_class];
  std::int64_t& mean = prompts_[s.model.value];
  mean += (256 * prompt - mean) / 64;
}

}  // namespace yard
